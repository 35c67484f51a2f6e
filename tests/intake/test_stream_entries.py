"""What stands in the streams: records, their versions, and what no intake has written."""

import time
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError

from tests.support.live import wait_for
from tests.support.streams import (
    ONE,
    Counted,
    OpenReader,
    OpenStream,
    add,
    pending,
    read_all,
    read_until,
    waiting,
)
from tests.support.valkey import Valkey
from tracker.intake.stream.entries import next_id, version_of
from tracker.models import DeadLetter

pytest_plugins = ["tests.support.streams"]


@pytest.mark.parametrize(
    "members", [{}, {"name": None, "price": None}, {"name": 'Sôcks\n✓"', "price": 0}]
)
def test_an_add_comes_back_as_it_was(
    members: dict[str, Any], open_stream: OpenStream, open_reader: OpenReader
) -> None:
    """R21: what was not sent stays apart from what was sent as null."""
    stream = open_stream()
    stream.accept(add("a\tb", **members))
    batch = open_reader(stream).read(10)
    assert batch
    [record] = batch.records
    assert record.add == add("a\tb", **members)
    assert record.version
    assert abs(record.version - time.time_ns()) < 60 * 10**9


def test_versions_rise_when_the_clock_lags(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    """R22: as after a fail-over to a server whose clock is an hour behind; even if it lasts."""
    stream = open_stream("streams=1")
    stream.accept(add("before"))
    later_ms = time.time_ns() // 1_000_000 + 3_600_000
    valkey.execute("XADD", ONE, f"{later_ms}-499999", "add", "{}")
    valkey.execute("XDEL", ONE, f"{later_ms}-499999")
    for number in range(3):
        stream.accept(add(str(number)))
    batch = open_reader(stream).read(10)
    assert batch
    versions = [record.version for record in batch.records]
    first = later_ms * 1_000_000
    assert versions[1:] == [first + 500_000, first + 1_000_000, first + 1_000_001]


def test_a_stream_that_others_have_moved_on_is_followed(
    valkey: Valkey, open_stream: OpenStream
) -> None:
    stream = open_stream("streams=1")
    later_ms = time.time_ns() // 1_000_000 + 3_600_000
    stream._next_ids[ONE] = f"{later_ms}-*"
    valkey.execute("XADD", ONE, f"{later_ms + 5}-0", "add", "{}")
    stream.accept(add())
    [last] = valkey.execute("XREVRANGE", ONE, "+", "-", "COUNT", 1)
    assert last[0] == f"{later_ms + 5}-1".encode()


def test_versions_follow_the_ids_and_fit_the_database() -> None:
    ids = [b"0-1", b"1712345678901-0", b"1712345678901-499999", b"1712345678902-0"]
    versions = [version_of(entry_id) for entry_id in ids]
    assert versions == sorted(set(versions))
    assert version_of(b"18446744073709551615-0") == 2**63 - 1
    assert (next_id(b"7-499999"), next_id(b"7-500000")) == (None, "8-*")


@pytest.mark.django_db
def test_malformed_entries_are_buried_and_all_others_read(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream("streams=1")
    stream.accept(add("first"))
    bad = ['{"cart_id":"x"}', "no JSON", "\0\ud800".encode("utf-8", "surrogatepass"), "[]", ""]
    with valkey.client() as client:
        for body in bad:
            client.xadd(ONE, {"add": body})
        client.xadd(ONE, {"add": b"{}", "more": b"\xff\0"})
        client.xadd(ONE, {"other": b"{}"})
    stream.accept(add("last"))
    malformed = Counted("malformed")
    assert read_all(open_reader(stream)) == ["first", "last"]
    assert DeadLetter.objects.count() == malformed.more == len(bad) + 2
    assert DeadLetter.objects.filter(record__contains='"add": "no JSON"').count() == 1
    assert (waiting(valkey, 1), pending(valkey)) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_malformed_entry_waits_for_the_database(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream("streams=1&claim_ms=1")
    stream.check()
    valkey.execute("XADD", ONE, "*", "add", "no JSON")
    reader = open_reader(stream)
    with mock.patch.object(DeadLetter, "store", side_effect=OperationalError("away")):
        batch = reader.read(10)
        assert batch
        reader.acknowledge(batch)
    assert pending(valkey) == 1
    wait_for(lambda: read_all(reader) or waiting(valkey, 1) == 0)
    assert DeadLetter.objects.count() == 1


def test_entries_that_somebody_deleted_are_counted_and_passed_over(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream("streams=1&claim_ms=1")
    for number in range(5):
        stream.accept(add(str(number)))
    open_reader(stream).read(10)
    [first, second, *_] = valkey.execute("XRANGE", ONE, "-", "+")
    valkey.execute("XDEL", ONE, first[0], second[0])
    reader, deleted = open_reader(stream), Counted("deleted")
    assert (read_until(reader, 3), deleted.more, pending(valkey)) == (["2", "3", "4"], 2, 0)
