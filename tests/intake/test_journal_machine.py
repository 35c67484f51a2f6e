"""The journal against any order of appends, deaths, refusals and deliveries: nothing is lost.

The model is a dict: for each field of each item, the values that it may have at the end. One, as a
rule: what was accepted last; and what was refused after that, where that may have been stored.
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec import UNSET
from msgspec.structs import replace

from tests.support.load import FULL_LENGTH
from tracker.adds import Add
from tracker.intake.contract import Batch, Unavailable
from tracker.intake.journal.intake import JournalIntake
from tracker.intake.journal.reader import JournalReader
from tracker.intake.journal.segments import segments
from tracker.intake.journal.writer import Writer
from tracker.intake.record import dump

Field = tuple[UUID, str, str]

WRITERS = st.integers(0, 1)
READERS = st.integers(0, 1)
ADDS = st.builds(
    Add,
    st.sampled_from([UUID(int=1), UUID(int=2)]),
    st.sampled_from(["hot", "new"]),
    st.just(UNSET) | st.none() | st.text(max_size=3),
    st.just(UNSET) | st.none() | st.integers(0, 9),
)


def fields(add: Add) -> Iterator[tuple[Field, Any]]:
    """What an add says of each field that it has; and that there is an item."""
    for name, value in (("exists", True), ("name", add.name), ("price", add.price)):
        if value is not UNSET:
            yield (add.cart_id, add.product_id, name), value


@contextmanager
def full_disk(*, room_bytes: int) -> Iterator[None]:
    """Writes stop in the middle; what was written can be taken off again."""
    real = os.write

    def write(file: int, data: bytes) -> int:
        if not room_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[:room_bytes])

    with mock.patch.object(os, "write", write):
        yield


@contextmanager
def broken_disk() -> Iterator[None]:
    """Nor can it be taken off again."""
    failure = OSError(errno.EIO, "I/O error")
    with full_disk(room_bytes=50), mock.patch.object(os, "ftruncate", side_effect=failure):
        yield


@contextmanager
def does_not_sync() -> Iterator[None]:
    failure = OSError(errno.EIO, "I/O error")
    with mock.patch.object(os, "fdatasync", side_effect=failure):
        yield


def die_writing(writer: Writer, half_record: bytes) -> None:
    """What the kernel does for a process that is killed: its files are closed, its locks gone."""
    writer._ended.set()
    if writer._file is not None:
        os.write(writer._file, half_record)
    writer.forget()


Refusal = Callable[[], AbstractContextManager[None]]
REFUSALS = st.sampled_from(
    [
        partial(full_disk, room_bytes=0),
        partial(full_disk, room_bytes=50),
        broken_disk,
        does_not_sync,
    ]
)


class JournalMachine(RuleBasedStateMachine):
    """Two writers, two drains; each may die at any moment, and be followed by another."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="cart-tracker-journal-"))
        self.numbers = count()
        self.possible: dict[Field, list[Any]] = {}
        self.rows: dict[Field, tuple[int, Any]] = {}

    @initialize(sync=st.sampled_from(["interval", "always"]))
    def begin(self, sync: str) -> None:
        self.url = urlsplit(f"journal://{self.directory}?sync={sync}")
        self.writers = [JournalIntake(self.url) for _ in range(2)]
        self.readers = [JournalReader(self.directory) for _ in range(2)]
        self.batches: list[Batch | None] = [None, None]

    # -- The storefront's side ---------------------------------------------------------------------

    @rule(
        writer=WRITERS,
        adds=st.lists(ADDS, min_size=1, max_size=5),
        clock_s=st.sampled_from([0, -3600, 3600]),
    )
    def append(self, writer: int, adds: list[Add], clock_s: int) -> None:
        """Whatever the clock says."""
        now = time.time_ns() + clock_s * 10**9
        for each in adds:
            add = self.distinct(each)
            with mock.patch.object(time, "time_ns", return_value=now):
                self.writers[writer].accept(add)
            for field, value in fields(add):
                self.possible[field] = [value]

    def distinct(self, add: Add) -> Add:
        """Some items are asked for once: their loss can't be hidden by what comes later."""
        if add.product_id == "hot":
            return add
        return replace(add, product_id=f"new-{next(self.numbers)}")

    @rule(writer=WRITERS, add=ADDS, refusal=REFUSALS)
    def append_in_vain(self, writer: int, add: Add, refusal: Refusal) -> None:
        """A failed sync leaves a record that nobody was promised; all others leave nothing."""
        if refusal is does_not_sync:
            if self.url.query == "sync=interval":
                return
            for field, value in fields(add):
                self.possible.setdefault(field, [None]).append(value)
        with refusal(), pytest.raises(Unavailable):
            self.writers[writer].accept(add)

    @rule(writer=WRITERS, add=ADDS, how=st.sampled_from(["segment too old", "restart", "kill"]))
    def end_of_a_segment(self, writer: int, add: Add, how: str) -> None:
        current = self.writers[writer]._writer
        if current is None:
            return
        if how == "segment too old":
            current._began = 0
            return
        if how == "kill":
            die_writing(current, dump(add, 1)[:50])
            self.writers[writer]._writer = None
        self.writers[writer].close()
        self.writers[writer] = JournalIntake(self.url)

    # -- The drain's side --------------------------------------------------------------------------

    @rule(reader=READERS, max_records=st.sampled_from([1000, 1000, 2]))
    def read(self, reader: int, max_records: int) -> None:
        """Also in the place of a batch that was not acknowledged: all of it comes again."""
        self.batches[reader] = self.readers[reader].read(max_records)

    @precondition(lambda self: any(self.batches))
    @rule(acknowledged=st.sampled_from([1, 1, 2, 0]), dies=st.booleans())
    def merge_what_was_read(self, acknowledged: int, dies: bool) -> None:
        """Perhaps not for the first time. Then it is acknowledged once, or twice, or not."""
        for number, batch in enumerate(self.batches):
            if batch is None:
                continue
            self.deliver(batch)
            for _ in range(acknowledged):
                self.readers[number].acknowledge(batch)
            if dies:
                self.readers[number].close()
                self.readers[number] = JournalReader(self.directory)
                self.batches[number] = None

    def deliver(self, batch: Batch) -> None:
        for add, version in batch.records:
            for field, value in fields(add):
                if version is not None and version > self.rows.get(field, (-1, None))[0]:
                    self.rows[field] = (version, value)

    # -- The end -----------------------------------------------------------------------------------

    def teardown(self) -> None:
        """All writers end, and one more drain comes; then nothing may be missing, or left over."""
        for writer, reader in zip(self.writers, self.readers, strict=True):
            writer.close()
            reader.close()
        last = JournalReader(self.directory)
        while batch := last.read(1000):
            self.deliver(batch)
            last.acknowledge(batch)
        for field, values in self.possible.items():
            assert self.rows.get(field, (0, None))[1] in values, field
        assert self.rows.keys() <= self.possible.keys()
        assert not segments(self.directory)
        left = {each.name for each in self.directory.iterdir()}
        assert {each for each in left if not each.startswith("slot-")} <= {"versions"}
        shutil.rmtree(self.directory)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(
    max_examples=500 if FULL_LENGTH else 100,
    stateful_step_count=50 if FULL_LENGTH else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
