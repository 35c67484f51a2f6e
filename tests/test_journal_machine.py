"""The journal against any order of appends, deaths, refusals and deliveries: nothing is lost.

The model is a dict: for each field of each item, the values that it may have at the end. One, as a
rule: what was accepted last; and what was refused after that, where that may have been stored.
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec import UNSET
from msgspec.structs import replace

from tests.load import FULL_LENGTH
from tracker.intake import Batch, Unavailable
from tracker.intake.journal import JournalIntake
from tracker.intake.journal_reader import JournalReader
from tracker.intake.record import dump
from tracker.intake.segments import segments
from tracker.payload import Add

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
def failing_disk(*, room_bytes: int, repairs: bool) -> Iterator[None]:
    """Writes stop in the middle; what was written can be taken off again, or not even that."""
    real, full = os.write, OSError(errno.ENOSPC, "No space left on device")

    def write(file: int, data: bytes) -> int:
        if not room_bytes:
            raise full
        return real(file, data[:room_bytes])

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(os, "write", write))
        if not repairs:
            stack.enter_context(mock.patch.object(os, "ftruncate", side_effect=full))
        yield


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
        self.writers = [self.open_writer() for _ in range(2)]
        self.readers = [self.open_reader() for _ in range(2)]
        self.batches: list[Batch | None] = [None, None]

    def open_writer(self) -> JournalIntake:
        return JournalIntake(self.url)

    def open_reader(self) -> JournalReader:
        return JournalReader(self.directory)

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

    @rule(writer=WRITERS, add=ADDS, room_bytes=st.integers(0, 60), repairs=st.booleans())
    def append_to_a_full_disk(self, writer: int, add: Add, room_bytes: int, repairs: bool) -> None:
        with failing_disk(room_bytes=room_bytes, repairs=repairs):
            self.require_refusal(writer, add)

    @precondition(lambda self: "always" in self.url.query)
    @rule(writer=WRITERS, add=ADDS)
    def append_to_a_disk_that_does_not_sync(self, writer: int, add: Add) -> None:
        """The record is there, but nobody was promised that."""
        with mock.patch.object(os, "fdatasync", side_effect=OSError(errno.EIO, "I/O error")):
            self.require_refusal(writer, add)
        for field, value in fields(add):
            self.possible.setdefault(field, [None]).append(value)

    def require_refusal(self, writer: int, add: Add) -> None:
        try:
            self.writers[writer].accept(add)
        except Unavailable:
            return
        raise AssertionError("accepted what can't have been stored")

    @rule(writer=WRITERS)
    def end_a_segment(self, writer: int) -> None:
        """As its age does."""
        current = self.writers[writer]._writer
        if current is not None:
            current._began = 0

    @rule(writer=WRITERS)
    def restart_a_writer(self, writer: int) -> None:
        self.writers[writer].close()
        self.writers[writer] = self.open_writer()

    @rule(writer=WRITERS, add=ADDS, bytes_written=st.integers(0, 60))
    def kill_a_writer(self, writer: int, add: Add, bytes_written: int) -> None:
        """In the middle of a record that it was never able to answer for."""
        current = self.writers[writer]._writer
        if current is not None:
            if current._file is not None:
                os.write(current._file, dump(add, 1)[:bytes_written])
            current._ended.set()
            current.forget()  # What the kernel does: the files are closed, the locks gone.
        self.writers[writer]._writer = None

    # -- The drain's side --------------------------------------------------------------------------

    @rule(reader=READERS, max_records=st.sampled_from([1, 2, 1000]))
    def read(self, reader: int, max_records: int) -> None:
        """Also in the place of a batch that was not acknowledged: all of it comes again."""
        self.batches[reader] = self.readers[reader].read(max_records)

    @precondition(lambda self: any(self.batches))
    @rule(times=st.integers(0, 2))
    def merge_and_acknowledge(self, times: int) -> None:
        """What was read; it is acknowledged once, or not, or twice."""
        for reader, batch in zip(self.readers, self.batches, strict=True):
            if batch:
                self.deliver(batch)
                for _ in range(times):
                    reader.acknowledge(batch)

    @rule(reader=READERS)
    def kill_a_drain(self, reader: int) -> None:
        self.readers[reader].close()
        self.readers[reader] = self.open_reader()
        self.batches[reader] = None

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
        last = self.open_reader()
        while batch := last.read(1000):
            self.deliver(batch)
            last.acknowledge(batch)
        for field, values in self.possible.items():
            assert self.rows.get(field, (0, None))[1] in values, field
        assert self.rows.keys() <= self.possible.keys()
        assert not segments(self.directory)
        assert {each.name for each in self.directory.iterdir()} <= {"versions"}
        shutil.rmtree(self.directory)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(
    max_examples=500 if FULL_LENGTH else 100,
    stateful_step_count=50 if FULL_LENGTH else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
