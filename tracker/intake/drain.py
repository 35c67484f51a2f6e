"""The drain: move accepted records from an intake into the tables, in batches.

The order is always: commit, then acknowledge. If a drain dies in between, another one merges the
same records a second time, which changes nothing (R22). So any number of drains may run, and each
may be killed at any moment.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, Error, connection, transaction

from tracker import counters
from tracker.adds import Record
from tracker.intake.contract import Source, Unavailable
from tracker.intake.record import dump
from tracker.models import DeadLetter
from tracker.retry import StoppedError, retry
from tracker.rows import erasure, merge
from tracker.rows.errors import first_line, is_data_error

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH_RECORDS = 1000
BATCH_CHARACTERS = 1 << 20  # Of names and product ids, for one transaction.
# The pause after a batch that left no records. Those that arrive meanwhile share the next
# transaction: ten records take little longer than one.
PAUSE_S = 0.05


class Drain:
    """Move records from a source into the database until `stop` is set."""

    def __init__(self, source: Source, stop: threading.Event) -> None:
        self._source = source
        self._stop = stop
        self._more = False

    def run(self) -> None:
        """Run until `stop` is set. The current batch is finished."""
        while not self._stop.is_set():
            self.step()
            if not self._more:
                self._stop.wait(PAUSE_S)

    def run_until_empty(self) -> int:
        """Run until nothing is left, and return how many records became rows.

        Wait for records that another drain has read and not acknowledged: it may be dead.
        """
        drained = 0
        while not self._stop.is_set():
            moved = self.step()
            drained += moved
            if not moved:
                if self._is_empty():
                    break
                self._stop.wait(PAUSE_S)
        return drained

    def _is_empty(self) -> bool:
        try:
            return self._at_last(self._source.is_empty)
        except StoppedError:
            return True

    def step(self) -> int:
        """Read, merge and acknowledge one batch. Return the number of records, 0 if none waited.

        While the source or the database can't be used, wait until it can or until `stop` is set.
        Records that were read and not acknowledged are read again.
        """
        self._more = False
        try:
            batch = self._at_last(partial(self._source.read, BATCH_RECORDS))
            if batch is None:
                return 0
            self._more = batch.more
            begin = time.perf_counter()
            for part in parts_of(batch.records, BATCH_CHARACTERS):
                self._at_last(partial(merge_or_dead_letter, part))
            self._at_last(partial(self._source.acknowledge, batch))
        except StoppedError:
            return 0
        took_s, records = time.perf_counter() - begin, len(batch.records)
        counters.DRAINED.inc(records)
        counters.BATCH_RECORDS.observe(records)
        counters.BATCH_SECONDS.observe(took_s)
        log.info("batch", extra={"records": records, "ms": round(took_s * 1000, 1)})
        return max(1, records)

    def _at_last(self, action: Callable[[], T]) -> T:
        """Repeat the action until it succeeds. Raises StoppedError if asked to stop."""
        return retry(action, errors=(Error, Unavailable), recover=_recover, stop=self._stop)


def _recover(error: Exception) -> None:
    log.warning("waiting: %s", first_line(error))
    _drop_connection()


def _drop_connection() -> None:
    """Begin the next try with a new connection: this one may be broken."""
    connection.close()


def parts_of(records: Sequence[Record], max_characters: int) -> Iterator[list[Record]]:
    """Split records into lists with at most this much text, or with one record that has more."""
    part: list[Record] = []
    left = max_characters
    for record in records:
        size = len(record.add.product_id) + len(record.add.name or "")
        if part and size > left:
            yield part
            part, left = [], max_characters
        part.append(record)
        left -= size
    if part:
        yield part


def merge_or_dead_letter(records: Sequence[Record]) -> None:
    """Merge all records except those that the database refuses because of their content.

    A refused batch is split until the bad record is alone; that record becomes a dead letter with
    the reason. Raises django.db.Error for every other failure, which makes no dead letters.
    """
    try:
        outcome = merge.merge(records)
    except (DatabaseError, ValueError) as error:
        if not is_data_error(error):
            raise
        if len(records) == 1:
            dead_letter(records[0], error)
            return
        middle = len(records) // 2
        merge_or_dead_letter(records[:middle])
        merge_or_dead_letter(records[middle:])
    else:
        for name, items in zip(outcome._fields, outcome, strict=True):
            counters.MERGED.labels(name).inc(items)


def dead_letter(record: Record, error: Exception) -> None:
    """Keep a record that can't be merged. Idempotent. Raises django.db.Error.

    A record that was accepted before its cart was erased is not kept.
    """
    if record.version is None:
        raise ValueError("a record without a version can't wait")
    with transaction.atomic():
        if erasure.covers(record.add.cart_id, record.version):
            return
        DeadLetter.store(dump(record.add, record.version).decode(), first_line(error))
    counters.DEAD_LETTERED.inc()
    log.error("a record went to the dead letters: %s", first_line(error))
