"""journal:///directory : a line in an append-only file of this process's own, then the reply."""

import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult

from django.core.exceptions import ImproperlyConfigured

from tracker.adds import Add
from tracker.counters import SYNC_RECORDS
from tracker.intake.contract import Unavailable
from tracker.intake.journal.backlog import JournalBacklog
from tracker.intake.journal.disk import REMOTE, file_system, sync_data
from tracker.intake.journal.options import Options
from tracker.intake.journal.reader import JournalReader
from tracker.intake.journal.segments import create, segment_path
from tracker.intake.journal.versions import VersionClock
from tracker.intake.record import dump

log = logging.getLogger(__name__)

SEGMENT_MAX_AGE_S = 30
# How long the answer to "is there room?" is believed: looking costs more than an append.
_ROOM_CHECKED_FOR_S = 0.25


class JournalIntake:
    """Appends each add to a file of this process's own, with one write, before the reply.

    A 200 survives the death of any process. It survives a loss of power, too, with `sync=always`
    (the reply waits for the disk), but for the last `interval_ms` with `sync=interval`.

    Raises ImproperlyConfigured if the directory can't be used.
    """

    groups = True

    def __init__(self, url: SplitResult) -> None:
        if url.netloc or not url.path.strip("/"):
            raise ImproperlyConfigured("INTAKE_URL: write journal:///absolute/directory.")
        self.directory = Path(url.path)
        self.options = Options.parse(url.query)
        self.blocks = self.options.sync == "always"
        self._writer: Writer | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget_writer)

    def accept(self, *adds: Add) -> None:
        """See Intake.accept. One write for all, and with `sync=always` one wait for the disk."""
        try:
            with self._lock:
                writer = self._open_writer()
                number = writer.append(adds)
            if self.blocks:
                writer.sync(number)
        except OSError as error:
            log.warning("add not stored: %s", error)
            raise Unavailable from error

    def _open_writer(self) -> "Writer":
        """This process's writer; a new one, with a segment of its own, after one that failed."""
        if self._writer is not None and self._writer.failed:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            self._writer = Writer(self.directory, self.options)
        return self._writer

    def check(self) -> None:
        """See Intake.check."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            require_capacity(JournalBacklog(self.directory), self.directory, self.options)
            if not os.access(self.directory, os.W_OK):
                raise Unavailable(f"{self.directory} can't be written")
        except OSError as error:
            raise Unavailable(str(error)) from error

    def warnings(self) -> list[str]:
        """See Intake.complaints."""
        directory = self.directory.resolve()
        kind = file_system(directory)
        if kind in REMOTE:
            return [f"{directory} is on {kind}: use a directory on a disk of this machine."]
        if kind == "tmpfs":
            return [f"{directory} is in memory (tmpfs): a restart of the machine loses it."]
        return []

    def source(self) -> JournalReader:
        """See Intake.source."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return JournalReader(self.directory)

    def close(self) -> None:
        """See Intake.close. Leaves the current segment to the drain, and the slot to others."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
            self._writer = None

    def _forget_writer(self) -> None:
        """A child process must not append to its parent's file: it gets a slot of its own."""
        if self._writer is not None:
            self._writer.forget()
        self._writer = None
        self._lock = threading.Lock()


def _write(file: int, lines: bytes) -> None:
    """One write, all of it. Raises OSError for a part of it: the disk is full, most likely."""
    written = os.write(file, lines)
    if written < len(lines):
        raise OSError(errno.ENOSPC, f"only {written} of {len(lines)} bytes could be written")


class Writer:
    """This process's end of the journal: its slot, its current segment, what is not synced yet.

    Once `failed`, no record that was not synced before ever counts as synced, and none may follow:
    the kernel may have dropped the pages, and asking again would wrongly succeed (fsync(2)).
    """

    def __init__(self, directory: Path, options: Options) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._options = options
        self._backlog = JournalBacklog(directory)
        self._clock = VersionClock(directory)
        self.failed = False
        self._file: int | None = None
        self._size = 0  # Up to here, the segment holds whole records.
        self._began = 0  # Its first record's version.
        self._room_until = 0.0
        self._appended = 0
        self._synced = 0
        self._sync_lock = threading.Lock()
        self._ended = threading.Event()
        if options.sync == "interval":
            threading.Thread(target=self._sync_often, name="journal-sync", daemon=True).start()

    def append(self, adds: Sequence[Add]) -> int:
        """Write records, all or none; returns the last one's number, for `sync`.

        Raises OSError if they could not be written; then the file is as it was before. One caller
        at a time.
        """
        first = self._clock.next()
        self._require_capacity(first)
        lines = dump(adds[0], first)
        for add in adds[1:]:
            lines += dump(add, self._clock.next())
        file = self._file
        if file is None or self._is_full(first):
            file = self._rotate(first)
        try:
            _write(file, lines)
        except OSError:
            self._repair(file)
            raise
        self._size += len(lines)
        self._appended += len(adds)
        return self._appended

    def sync(self, number: int) -> None:
        """Return when that record is on the disk.

        Those who come while one is waiting for the disk are served together by the next: one
        fdatasync for all of them. Raises OSError if the disk refused, then or before.
        """
        with self._sync_lock:
            if self._synced < number:
                self._sync_all()

    def _sync_all(self) -> None:
        """See sync. To be called with the lock held."""
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
        """Leave the segment, all of it on the disk, to the drain; and the slot to others."""
        self._ended.set()
        with self._sync_lock, suppress(OSError):  # Whoever waits for the disk is told in `sync`.
            self._leave_segment()
        self._clock.close()

    def forget(self) -> None:
        """In a forked child: drop what is the parent's. Its locks may be held by nobody here."""
        if self._file is not None:
            os.close(self._file)
        self._clock.close()

    def _is_full(self, version: int) -> bool:
        """By size, or by age: only a segment that is left behind can be deleted once drained."""
        too_old = version - self._began > SEGMENT_MAX_AGE_S * 1_000_000_000
        return too_old or self._size >= self._options.segment_mb << 20

    def _rotate(self, version: int) -> int:
        """Leave the current segment behind, whole and on the disk; begin the next."""
        with self._sync_lock:
            self._leave_segment()
            path = segment_path(self._directory, version, self._clock.slot)
            self._file, self._size, self._began = create(path), 0, version
            return self._file

    def _leave_segment(self) -> None:
        """Sync and close the current segment, if there is one. To be called with the lock held."""
        if self._file is None:
            return
        try:
            self._sync_all()
        finally:
            os.close(self._file)
            self._file, self._size = None, 0

    def _repair(self, file: int) -> None:
        """Take a half-written record off again; if even that fails, nothing may follow it.

        The drain passes over a half record at a segment's end.
        """
        try:
            os.ftruncate(file, self._size)
        except OSError:
            self.failed = True

    def _require_capacity(self, version: int) -> None:
        """Raises OSError when there is none; then the current segment is left, too.

        Otherwise it would never be deleted once drained, and never make the room that is missing.
        """
        now = time.monotonic()
        if now < self._room_until:
            return
        try:
            require_capacity(self._backlog, self._directory, self._options)
        except OSError:
            if self._size:
                self._rotate(version)
            raise
        self._room_until = now + _ROOM_CHECKED_FOR_S

    def _sync_often(self) -> None:
        while not self.failed and not self._ended.wait(self._options.interval_ms / 1000):
            try:
                self.sync(self._appended)
            except OSError as error:
                log.error("the journal could not be synced: %s", error)


def require_capacity(backlog: JournalBacklog, directory: Path, options: Options) -> None:
    """Raises OSError when the backlog or the disk is at its limit."""
    if shutil.disk_usage(directory).free < options.min_free_mb << 20:
        raise OSError(f"less than {options.min_free_mb} MB are free for the journal")
    held = backlog.look()
    if held.bytes > options.max_mb << 20:
        raise OSError(f"the journal's backlog is over {options.max_mb} MB")
    if held.records >= options.max_records:
        raise OSError(f"the journal's backlog has reached {options.max_records} records")
    if held.oldest_age_s > options.max_age_s:
        raise OSError(f"the journal's backlog is older than {options.max_age_s} s")
