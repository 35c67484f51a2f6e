"""The writing side of the journal: append records to segments, and sync them."""

import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tracker.adds import Add
from tracker.counters import SYNC_RECORDS
from tracker.intake.journal.backlog import JournalBacklog
from tracker.intake.journal.disk import sync_data
from tracker.intake.journal.options import Options
from tracker.intake.journal.segments import create, segment_path
from tracker.intake.journal.versions import VersionClock
from tracker.intake.record import dump

log = logging.getLogger(__name__)

SEGMENT_MAX_AGE_NS = 30 * 1_000_000_000
# How long a check of the capacity is valid: a check costs more than an append.
_CAPACITY_VALID_S = 0.25


class Writer:
    """The writing side of a journal in one process: its slot, its segment, what is not synced.

    Once `failed`, records that were not synced never count as synced, and none may follow: the
    kernel may have dropped the pages, and a second sync would wrongly succeed (fsync(2)).
    """

    def __init__(self, directory: Path, options: Options) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._options = options
        self._max_bytes = options.segment_mb << 20
        self._backlog = JournalBacklog(directory)
        self._clock = VersionClock(directory)
        self.failed = False
        self._file: int | None = None
        self._size = 0  # The segment holds whole records up to here.
        self._began = 0  # The version of its first record.
        self._capacity_until = 0.0
        self._appended = 0
        self._synced = 0
        self._sync_lock = threading.Lock()
        self._ended = threading.Event()
        if options.sync == "interval":
            threading.Thread(target=self._sync_often, name="journal-sync", daemon=True).start()

    def append(self, adds: Sequence[Add]) -> None:
        """Write records, all or none.

        Raises OSError if they could not be written; then the file is as before. Not thread-safe.
        """
        first = self._clock.next()
        if time.monotonic() >= self._capacity_until:
            self._require_capacity(first)
        lines = dump(adds[0], first)
        for add in adds[1:]:
            lines += dump(add, self._clock.next())
        file = self._file
        # Also by age: only a finished segment can be deleted once it is drained.
        if (
            file is None
            or self._size >= self._max_bytes
            or first - self._began > SEGMENT_MAX_AGE_NS
        ):
            file = self._rotate(first)
        try:
            _write(file, lines)
        except OSError:
            self._repair(file)
            raise
        self._size += len(lines)
        self._appended += len(adds)

    def sync(self) -> None:
        """Return when all that was appended is on the disk. Thread-safe.

        Raises OSError if the disk refused, now or before.
        """
        with self._sync_lock:
            if self._synced < self._appended:
                self._sync_all()

    def _sync_all(self) -> None:
        """Sync all that was appended. Call it with the lock held."""
        if self.failed or self._file is None:
            raise OSError(errno.EIO, "the segment could not be synced before")
        appended = self._appended
        try:
            sync_data(self._file)
        except OSError:
            self.failed = True
            raise
        if appended > self._synced:
            SYNC_RECORDS.observe(appended - self._synced)
        self._synced = appended

    def close(self) -> None:
        """Sync the segment and leave it to the drain, and the slot to others."""
        self._ended.set()
        with self._sync_lock, suppress(OSError):  # Callers that wait get the error in `sync`.
            self._leave_segment()
        self._clock.close()

    def forget(self) -> None:
        """Drop what belongs to the parent, in a forked child. No lock: nobody would free it."""
        if self._file is not None:
            os.close(self._file)
        self._clock.close()

    def _rotate(self, version: int) -> int:
        """Finish the current segment, whole and on the disk, and begin the next."""
        with self._sync_lock:
            self._leave_segment()
            path = segment_path(self._directory, version, self._clock.slot)
            self._file, self._size, self._began = create(path), 0, version
            return self._file

    def _leave_segment(self) -> None:
        """Sync and close the current segment, if there is one. Call it with the lock held."""
        if self._file is None:
            return
        try:
            self._sync_all()
        finally:
            os.close(self._file)
            self._file, self._size = None, 0

    def _repair(self, file: int) -> None:
        """Remove a half-written record. If that fails, too, nothing may follow it.

        The drain ignores a half record at the end of a segment.
        """
        try:
            os.ftruncate(file, self._size)
        except OSError:
            self.failed = True

    def _require_capacity(self, version: int) -> None:
        """Check the capacity. Raises OSError if none is left, and finishes the current segment.

        Otherwise the segment could never be deleted once drained, and would never free its space.
        """
        try:
            require_capacity(self._backlog, self._directory, self._options)
        except OSError:
            if self._size:
                self._rotate(version)
            raise
        self._capacity_until = time.monotonic() + _CAPACITY_VALID_S

    def _sync_often(self) -> None:
        while not self.failed and not self._ended.wait(self._options.interval_ms / 1000):
            try:
                self.sync()
            except OSError as error:
                log.error("the journal could not be synced: %s", error)


def require_capacity(backlog: JournalBacklog, directory: Path, options: Options) -> None:
    """Check the limits of the backlog and of the disk. Raises OSError if one is reached."""
    if shutil.disk_usage(directory).free < options.min_free_mb << 20:
        raise OSError(f"less than {options.min_free_mb} MB are free for the journal")
    held = backlog.measure()
    if held.bytes > options.max_mb << 20:
        raise OSError(f"the journal's backlog is over {options.max_mb} MB")
    if held.records >= options.max_records:
        raise OSError(f"the journal's backlog has reached {options.max_records} records")
    if held.oldest_age_s > options.max_age_s:
        raise OSError(f"the journal's backlog is older than {options.max_age_s} s")


def _write(file: int, lines: bytes) -> None:
    """Write all lines with one write. Raises OSError if only a part was written: disk full."""
    written = os.write(file, lines)
    if written < len(lines):
        raise OSError(errno.ENOSPC, f"only {written} of {len(lines)} bytes could be written")
