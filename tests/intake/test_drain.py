"""The drain: commit, then acknowledge; what fails, and what is done about it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection

from tracker.adds import Add, Record
from tracker.intake import drain as drain_module
from tracker.intake.drain import Drain, merge_or_dead_letter, parts_of
from tracker.intake.journal.intake import JournalIntake
from tracker.models import DeadLetter, Item
from tracker.rows import merge as store
from tracker.rows.errors import is_data_error

CART = UUID("6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10")
NUL = "\0"  # Passes as JSON; no database text can hold it (R15 keeps it out at the door).


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalIntake]:
    intake = JournalIntake(urlsplit(f"journal://{tmp_path}"))
    yield intake
    intake.close()


def drain_of(journal: JournalIntake) -> Drain:
    return Drain(journal.source(), threading.Event())


def add(product_id: str, **members: Any) -> Add:
    return Add(CART, product_id, **members)


def products() -> set[str]:
    return set(Item.objects.values_list("product_id", flat=True))


@pytest.mark.django_db
def test_what_was_accepted_becomes_rows(journal: JournalIntake) -> None:
    """R20"""
    journal.accept(add("a", name="Socks"))
    journal.accept(add("b", price=5))
    journal.accept(add("a", price=7))
    assert drain_of(journal).run_until_empty() == 3
    assert list(Item.objects.order_by("product_id").values_list("product_id", "name", "price")) == [
        ("a", "Socks", 7),
        ("b", None, 5),
    ]


@pytest.mark.django_db
def test_a_drain_that_dies_between_commit_and_forgetting_does_no_harm(
    journal: JournalIntake,
) -> None:
    """R22"""
    journal.accept(add("a", name="Socks"))
    first = drain_of(journal)
    with (
        mock.patch.object(first._source, "acknowledge", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        first.step()
    before = Item.objects.values().get()
    first._source.close()
    assert drain_of(journal).run_until_empty() == 1
    assert Item.objects.values().get() == before


@pytest.mark.django_db
def test_nothing_is_forgotten_while_the_database_is_away(journal: JournalIntake) -> None:
    journal.accept(add("a"))
    drain = drain_of(journal)
    real, failures = store.merge, [OperationalError("away")] * 3

    def merge(records: Any) -> store.Outcome:
        if failures:
            raise failures.pop()
        return real(records)

    with (
        mock.patch.object(store, "merge", merge),
        mock.patch.object(drain_module, "_drop_connection"),
    ):
        assert drain.run_until_empty() == 1
    assert products() == {"a"}
    assert not DeadLetter.objects.exists()


@pytest.mark.django_db
def test_it_stops_while_it_waits_for_the_database(journal: JournalIntake) -> None:
    journal.accept(add("a"))
    stop = threading.Event()
    drain = Drain(journal.source(), stop)

    def merge(records: Any) -> None:
        stop.set()
        raise OperationalError("away")

    with (
        mock.patch.object(store, "merge", merge),
        mock.patch.object(drain_module, "_drop_connection"),
    ):
        drain.run()
    drain._source.close()
    assert drain_of(journal).run_until_empty() == 1


@pytest.mark.django_db
def test_bad_records_are_buried_and_all_others_merged() -> None:
    bad = {3, 4, 50, 99}
    records = [
        Record(add(f"sku-{number}", price=-1 if number in bad else 1), number + 1)
        for number in range(100)
    ]
    merge_or_dead_letter(records)
    merge_or_dead_letter(records)
    assert products() == {f"sku-{number}" for number in range(100) if number not in bad}
    assert DeadLetter.objects.count() == len(bad)
    assert "tracker_item_price_cents" in DeadLetter.objects.all()[0].error


@pytest.mark.django_db
@pytest.mark.postgresql
def test_a_text_that_postgresql_refuses_is_buried() -> None:
    """R15, for a record that came by another way than the door."""
    merge_or_dead_letter([Record(add("good"), 1), Record(add("bad" + NUL), 2)])
    assert products() == {"good"}
    assert DeadLetter.objects.count() == 1


@pytest.mark.parametrize(
    ("sqlstate", "is_data"),
    [
        ("22001", True),
        ("23514", True),
        ("08006", False),
        ("40P01", False),
        ("42P01", False),
        ("53100", False),
        ("53300", False),
        ("57P01", False),
        ("25006", False),
        ("55P03", False),
        (None, False),
    ],
)
def test_only_errors_of_the_data_itself_bury_a_record(sqlstate: str | None, is_data: bool) -> None:
    error = OperationalError("as the driver says")
    error.__cause__ = cause = Exception()
    cause.pgcode = sqlstate  # type: ignore[attr-defined]  # As psycopg2's errors have it.
    with mock.patch.object(type(connection), "vendor", "postgresql", create=True):
        assert is_data_error(error) is is_data


def test_on_sqlite_broken_constraints_bury_and_broken_states_do_not() -> None:
    with mock.patch.object(type(connection), "vendor", "sqlite", create=True):
        assert is_data_error(IntegrityError("CHECK constraint failed"))
        assert is_data_error(DataError("out of range"))
        assert not is_data_error(OperationalError("database or disk is full"))


@pytest.mark.django_db
def test_a_batch_that_is_read_holds_no_more_than_asked_for(journal: JournalIntake) -> None:
    for number in range(30):
        journal.accept(add(str(number)))
    with mock.patch.object(drain_module, "BATCH_RECORDS", 20):
        drain = drain_of(journal)
        assert [drain.step(), drain.step(), drain.step()] == [20, 10, 0]


def test_a_batch_of_much_text_becomes_several_transactions() -> None:
    """Each of so many characters, but for a record that has more by itself; none is left out."""
    sizes = [3, 3, 3, 20, 1, 9, 10]
    records = [Record(add("p", name="x" * (size - 1)), number) for number, size in enumerate(sizes)]
    parts = list(parts_of([*records, Record(add("p"), 7)], 10))
    assert [[record.version for record in part] for part in parts] == [
        [0, 1, 2],
        [3],
        [4, 5],
        [6],
        [7],
    ]


@pytest.mark.django_db
def test_a_read_ends_at_its_limit_of_bytes_and_says_that_more_waits(journal: JournalIntake) -> None:
    """But it has something of every segment: a busy writer's must not keep the others waiting."""
    other = JournalIntake(SplitResult("journal", "", str(journal.directory), "", ""))
    for number in range(30):
        journal.accept(add(str(number), name="x" * 1000))
    other.accept(add("other"))
    other.close()
    source = journal.source()
    with mock.patch("tracker.intake.journal.reader.READ_BYTES", 10_000):
        batch = source.read(1000)
        assert batch is not None
        assert (len(batch.records), batch.more) == (9 + 1, True)
    source.acknowledge(batch)
    batch = source.read(1000)
    assert batch is not None
    assert (len(batch.records), batch.more) == (21, False)
    source.close()


@pytest.mark.django_db
def test_what_comes_soon_after_a_batch_shares_the_next_one(journal: JournalIntake) -> None:
    """One at a time, the same adds would cost the database many times as much."""
    stop, source = threading.Event(), journal.source()
    batches: list[int] = []

    def merge(records: list[Record]) -> None:
        batches.append(len(records))
        for _ in range(3):
            journal.accept(add("meanwhile"))

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 3:
            stop.set()
        return False

    pauses: list[float] = []
    journal.accept(add("first"))
    with (
        mock.patch.object(drain_module, "merge_or_dead_letter", merge),
        mock.patch.object(stop, "wait", pause),
    ):
        Drain(source, stop).run()
    source.close()
    assert batches == [1, 3, 3]
    assert pauses == [drain_module.PAUSE_S] * 3
