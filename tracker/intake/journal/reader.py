"""The drain's end of the journal: reads the segments, deletes what has become rows."""

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

# Per batch: about what its records are. Of what a batch has no room for, nothing is kept.
READ_BYTES = 1 << 18
_PEEK_BYTES = 4096  # To see whether anything follows.
# Per batch: each is an open file, and an outage with little traffic leaves thousands of small ones.
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
    """How far one segment is read when a batch is acknowledged, and whether that is its end."""

    segment: Claimed
    offset: int
    corrupt: int
    is_last: bool


class JournalReader:
    """Reads records in the order of their segments; see tracker.intake.Source.

    Any number of processes may read one journal: each segment is claimed by one of them at a time.
    A reader that dies loses nothing: its segments are read again from their beginnings by another,
    and merging a record twice changes nothing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._claimed: dict[Path, Claimed] = {}

    def read(self, max_records: int) -> Batch | None:
        """The next records that are not acknowledged yet, or None if there are none now."""
        found = segments(self._directory)
        finished = sealed(self._directory, found)  # Before their ends are looked for.
        records: list[Record] = []
        positions: list[Position] = []
        room_bytes, more = READ_BYTES, False
        for each in found:
            if len(records) >= max_records or len(positions) >= MAX_SEGMENTS:
                more = True
                break
            segment = self._claim(each.path)
            if segment is None:
                continue
            # One line at least of every segment: a busy writer's must not keep the others waiting.
            lines = complete_lines(segment.file, segment.offset, max(room_bytes, _PEEK_BYTES))
            lines = lines[: max_records - len(records)]
            position = self._read(segment, lines, records, each.path in finished)
            if position:
                positions.append(position)
                room_bytes -= position.offset - segment.offset
                more |= os.fstat(segment.file).st_size > position.offset
        return Batch(records, more, positions) if positions else None

    def acknowledge(self, batch: Batch) -> None:
        """Forget what has become rows: advance, and delete the segments that are done with.

        Called after the commit, never before it. Idempotent.
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
        return JournalBacklog(self._directory).look()

    def is_empty(self) -> bool:
        """See Source.is_empty. What another process has claimed is that one's, until it ends."""
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
        """Add what these lines hold; returns None if there is nothing new to acknowledge."""
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
        """Delete a segment that is all rows now; one with corrupt records is set aside instead."""
        if segment.corrupt:
            aside = segment.path.with_suffix(CORRUPT_SUFFIX)
            log.error("%s corrupt records: the segment is kept as %s", segment.corrupt, aside)
            segment.path.replace(aside)
        else:
            segment.path.unlink(missing_ok=True)
        self._claimed.pop(segment.path, None)
        os.close(segment.file)
