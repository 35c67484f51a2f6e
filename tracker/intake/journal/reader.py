"""The reading side of the journal: read segments, and delete those that have become rows."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from tracker.adds import Record
from tracker.counters import CORRUPT
from tracker.intake.contract import Backlog, Batch
from tracker.intake.journal.backlog import JournalBacklog
from tracker.intake.journal.segments import CORRUPT_SUFFIX, claim, complete_lines, sealed, segments
from tracker.intake.record import CorruptRecordError, load

log = logging.getLogger(__name__)

# Per batch, about as large as its records. What exceeds a batch is not kept in memory.
READ_BYTES = 1 << 18
_PEEK_BYTES = 4096  # To see whether anything follows.
# Per batch. Each is an open file, and an outage with little traffic leaves thousands of small ones.
MAX_SEGMENTS = 50


@dataclass
class Claimed:
    """A segment that this process reads."""

    path: Path
    file: int
    offset: int = 0  # Everything before has become rows.
    corrupt: int = 0


@dataclass(frozen=True)
class Position:
    """How far a batch has read one segment, and whether that is the segment's end."""

    segment: Claimed
    offset: int
    corrupt: int
    is_last: bool


class JournalReader:
    """Read records in the order of their segments (see contract.Source).

    Any number of processes may read one journal: each segment is claimed by one of them at a time.
    If a reader dies, another one reads its segments again from the beginning, and merging a record
    twice changes nothing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._claimed: dict[Path, Claimed] = {}

    def read(self, max_records: int) -> Batch | None:
        """Return the next records that are not acknowledged, or None if there are none now."""
        found = segments(self._directory)
        finished = sealed(self._directory, found)  # Before their ends are looked for.
        records: list[Record] = []
        positions: list[Position] = []
        left_bytes, more = READ_BYTES, False
        for each in found:
            if len(records) >= max_records or len(positions) >= MAX_SEGMENTS:
                more = True
                break
            segment = self._claim(each.path)
            if segment is None:
                continue
            # At least one line of every segment: a busy writer must not delay the others.
            lines = complete_lines(segment.file, segment.offset, max(left_bytes, _PEEK_BYTES))
            lines = lines[: max_records - len(records)]
            position = self._read(segment, lines, records, each.path in finished)
            if position:
                positions.append(position)
                left_bytes -= position.offset - segment.offset
                more |= os.fstat(segment.file).st_size > position.offset
        return Batch(records, more, positions) if positions else None

    def acknowledge(self, batch: Batch) -> None:
        """Forget a batch: advance, and delete the segments that are finished.

        Call it after the commit, never before. Idempotent.
        """
        for position in batch.token:
            segment = position.segment
            if position.offset > segment.offset:
                segment.offset = position.offset
                segment.corrupt += position.corrupt
            is_open = self._claimed.get(segment.path) is segment
            if position.is_last and is_open:
                self._finish(segment)

    def backlog(self) -> Backlog:
        return JournalBacklog(self._directory).measure()

    def is_empty(self) -> bool:
        """See Source.is_empty. What another process has claimed belongs to it until it ends."""
        return True

    def close(self) -> None:
        for segment in self._claimed.values():
            os.close(segment.file)
        self._claimed.clear()

    def _claim(self, path: Path) -> Claimed | None:
        if path not in self._claimed:
            file = claim(path)
            if file is None:
                return None
            self._claimed[path] = Claimed(path, file)
        return self._claimed[path]

    def _read(
        self, segment: Claimed, lines: list[bytes], records: list[Record], is_sealed: bool
    ) -> Position | None:
        """Add the records of these lines. Return None if there is nothing new to acknowledge."""
        offset, corrupt = segment.offset, 0
        for line in lines:
            offset += len(line)
            try:
                records.append(load(line))
            except CorruptRecordError as error:
                corrupt += 1
                CORRUPT.inc()
                log.error("%s: a corrupt record at byte %s: %s", segment.path, offset, error)
        at_end = is_sealed and not complete_lines(segment.file, offset, _PEEK_BYTES)
        if offset == segment.offset and not at_end:
            return None
        return Position(segment, offset, corrupt, at_end)

    def _finish(self, segment: Claimed) -> None:
        """Delete a segment whose records are rows, or set it aside if some are corrupt."""
        if segment.corrupt:
            aside = segment.path.with_suffix(CORRUPT_SUFFIX)
            log.error("%s corrupt records: the segment is kept as %s", segment.corrupt, aside)
            segment.path.replace(aside)
        else:
            segment.path.unlink(missing_ok=True)
        self._claimed.pop(segment.path, None)
        os.close(segment.file)
