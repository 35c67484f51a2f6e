"""What the drain reads from streams, and what becomes of what nobody acknowledged."""

import threading
import time
from uuid import uuid4

import pytest

from tests.support.live import wait_for
from tests.support.streams import (
    ONE,
    Counted,
    OpenReader,
    OpenStream,
    accept_many,
    add,
    pending,
    read_all,
    read_until,
    waiting,
)
from tests.support.valkey import Valkey
from tracker.intake.contract import Backlog
from tracker.intake.drain import Drain
from tracker.models import Item

pytest_plugins = ["tests.support.streams"]


def consumers(valkey: Valkey) -> list[bytes]:
    return [each[b"name"] for each in valkey.execute("XINFO", "CONSUMERS", ONE, "drain")]


def test_what_is_acknowledged_is_gone(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream("streams=1")
    for number in range(250):
        stream.accept(add(str(number)))
    reader = open_reader(stream)
    assert read_all(reader) == [str(number) for number in range(250)]
    assert (waiting(valkey), pending(valkey), reader.read(10)) == (0, 0, None)


def test_a_batch_can_be_acknowledged_twice(
    open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream()
    reader = open_reader(stream)
    stream.accept(add("first"))
    batch = reader.read(10)
    assert batch
    reader.acknowledge(batch)
    stream.accept(add("second"))
    reader.acknowledge(batch)
    assert read_all(reader) == ["second"]


def test_what_a_dead_reader_has_left_is_taken_over_when_it_is_old_enough(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    """More of it than one XAUTOCLAIM gives."""
    stream = open_stream("streams=1&claim_ms=300")
    names = accept_many(stream, 450)
    dead = open_reader(stream)
    read_all(dead, acknowledge=False)
    dead.close()
    begin = time.monotonic()
    other = open_reader(stream)
    assert other.read(10) is None
    found = read_until(other, 450)
    assert time.monotonic() - begin > 0.2
    assert sorted(found) == sorted(names)
    assert (waiting(valkey, 1), pending(valkey)) == (0, 0)


def test_a_slow_reader_may_acknowledge_what_another_has_taken_over(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    """R22: as after SIGSTOP and SIGCONT; both have merged the same records."""
    stream = open_stream("streams=1&claim_ms=1")
    accept_many(stream, 10)
    slow, quick = open_reader(stream), open_reader(stream)
    batch = slow.read(10)
    assert batch
    taken = wait_for(lambda: quick.read(5))
    slow.acknowledge(batch)
    quick.acknowledge(taken)
    assert (waiting(valkey, 1), pending(valkey)) == (0, 0)


def test_readers_at_once_share_without_overlap(
    open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream()
    names = accept_many(stream, 1000)
    found: list[str] = []
    readers = [open_reader(stream) for _ in range(2)]
    threads = [
        threading.Thread(target=lambda reader=reader: found.extend(read_all(reader)))
        for reader in readers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(names)


@pytest.mark.parametrize("asked", [1, 7, 100, 250])
def test_a_batch_holds_no_more_than_asked_for(
    asked: int, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream()
    accept_many(stream, 300)
    batch = open_reader(stream).read(asked)
    assert batch
    assert len(batch.records) <= asked


def test_one_long_stream_fills_a_batch(open_stream: OpenStream, open_reader: OpenReader) -> None:
    stream = open_stream()
    for number in range(200):
        stream.accept(add(str(number)))
    batch = open_reader(stream).read(150)
    assert batch
    assert len(batch.records) == 150


@pytest.mark.django_db
def test_what_was_accepted_becomes_rows(open_stream: OpenStream, open_reader: OpenReader) -> None:
    """R20"""
    stream = open_stream()
    stream.accept(add("a", name="Socks", price=1))
    stream.accept(add("a", price=7))
    stream.accept(add("b"))
    assert Drain(open_reader(stream), threading.Event()).run_until_empty() == 3
    rows = Item.objects.order_by("product_id").values_list("product_id", "name", "price")
    assert list(rows) == [("a", "Socks", 7), ("b", None, None)]


def test_a_lost_group_is_made_anew_and_its_stream_read_again(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream("streams=1")
    reader = open_reader(stream)
    for number in range(3):
        stream.accept(add(str(number)))
    assert read_all(reader, acknowledge=False) == ["0", "1", "2"]
    lost = Counted("groups_lost")
    valkey.execute("XGROUP", "DESTROY", ONE, "drain")
    assert read_all(reader) == ["0", "1", "2"]
    assert (lost.more, waiting(valkey, 1)) == (1, 0)


def test_a_flushed_server_is_noticed_and_used_again(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream("streams=4")
    reader = open_reader(stream)
    accept_many(stream, 10)
    assert reader.read(1)
    lost = Counted("groups_lost")
    valkey.execute("FLUSHALL")
    names = accept_many(stream, 10)
    assert sorted(read_all(reader)) == sorted(names)
    assert lost.more == 4


def test_a_reader_leaves_its_groups_unless_it_has_left_something(
    valkey: Valkey, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream("streams=1")
    idle, busy = open_reader(stream), open_reader(stream)
    assert idle.read(1) is busy.read(1) is None
    stream.accept(add())
    assert busy.read(1)
    assert len(consumers(valkey)) == 2
    idle.close()
    busy.close()
    assert consumers(valkey) == [busy._consumer.encode()]
    assert pending(valkey) == 1


def test_the_backlog_is_what_is_not_acknowledged(
    open_stream: OpenStream, open_reader: OpenReader
) -> None:
    stream = open_stream()
    reader = open_reader(stream)
    assert reader.backlog() == Backlog(bytes=0, oldest_age_s=0.0, records=0)
    stream.accept(add(cart_id=uuid4()))
    wait_for(lambda: reader.backlog().oldest_age_s > 0.05)
    accept_many(stream, 9)
    batch = reader.read(4)
    assert batch
    assert reader.backlog().records == 10
    reader.acknowledge(batch)
    assert reader.backlog().records == 6
