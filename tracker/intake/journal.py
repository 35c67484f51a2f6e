"""journal:///directory : a line in an append-only file of this process's own, then the reply."""

import errno
import logging
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl

from django.core.exceptions import ImproperlyConfigured

from tracker.intake import Unavailable
from tracker.intake.journal_reader import JournalReader
from tracker.intake.record import dump
from tracker.intake.segments import oldest_age_s, segment_path, sync_directory, total_bytes
from tracker.intake.versions import VersionClock
from tracker.payload import Add

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What may stand behind the `?` of a journal's URL."""

    sync: str = "interval"
    interval_ms: int = 100
    segment_mb: int = 8
    max_mb: int = 4096
    max_age_s: int = 86_400
    min_free_mb: int = 64

    @classmethod
    def parse(cls, query: str) -> "Options":
        """Raises ImproperlyConfigured with one line that says what to do."""
        given: dict[str, int | str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in cls.__dataclass_fields__:
                known = ", ".join(cls.__dataclass_fields__)
                raise ImproperlyConfigured(f"INTAKE_URL: no option {name!r}. There are: {known}.")
            if name == "sync" and value not in ("interval", "always"):
                raise ImproperlyConfigured("INTAKE_URL: sync must be interval or always.")
            if name != "sync" and not (value.isascii() and value.isdigit() and int(value)):
                raise ImproperlyConfigured(f"INTAKE_URL: {name} must be a whole number above 0.")
            given[name] = value if name == "sync" else int(value)
        return cls(**given)  # type: ignore[arg-type]


SEGMENT_MAX_AGE_S = 30
# How long the answer to "is there room?" is believed: looking costs more than an append.
_ROOM_CHECKED_FOR_S = 0.25


class JournalIntake:
    """Appends each add to a file of this process's own, with one write, before the reply.

    A 200 survives the death of any process. It survives a loss of power, too, with `sync=always`
    (the reply waits for the disk), but for the last `interval_ms` with `sync=interval`.

    Raises ImproperlyConfigured if the directory can't be used.
    """

    def __init__(self, url: SplitResult) -> None:
        if url.netloc or not url.path.strip("/"):
            raise ImproperlyConfigured("INTAKE_URL: write journal:///absolute/directory.")
        self.directory = Path(url.path)
        self.options = Options.parse(url.query)
        self.blocks = self.options.sync == "always"
        self._writer: Writer | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget_writer)

    def accept(self, add: Add) -> None:
        """See Intake.accept."""
        try:
            with self._lock:
                if self._writer is None:
                    self._writer = Writer(self.directory, self.options)
                writer = self._writer
                number = writer.append(add)
            if self.blocks:
                writer.sync(number)
        except OSError as error:
            log.warning("add not stored: %s", error)
            raise Unavailable from error

    def check(self) -> None:
        """See Intake.check."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            require_room(self.directory, self.options)
            if not os.access(self.directory, os.W_OK):
                raise Unavailable(f"{self.directory} can't be written")
        except OSError as error:
            raise Unavailable(str(error)) from error

    def source(self) -> JournalReader:
        """See Intake.source."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return JournalReader(self.directory)

    def close(self) -> None:
        """Leave the current segment to the drain, and the slot to others."""
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


def _write(file: int, line: bytes) -> None:
    """One write, all of it. Raises OSError for a part of it: the disk is full, most likely."""
    written = os.write(file, line)
    if written < len(line):
        raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes could be written")


class Writer:
    """This process's end of the journal: its slot, its current segment, what is not synced yet."""

    def __init__(self, directory: Path, options: Options) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._options = options
        self._clock = VersionClock(directory)
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

    def append(self, add: Add) -> int:
        """Write one record, whole or not at all; returns its number, for `sync`.

        Raises OSError if it could not be written; then the file is as it was before. One caller at
        a time.
        """
        self._require_room()
        version = self._clock.next()
        line = dump(add, version)
        file = self._file
        if file is None or self._is_full(version):
            file = self._rotate(version)
        try:
            _write(file, line)
        except OSError:
            self._repair(file)
            raise
        self._size += len(line)
        self._appended += 1
        return self._appended

    def sync(self, number: int) -> None:
        """Return when that record is on the disk.

        Those who come while one is waiting for the disk are served together by the next: one
        fdatasync for all of them. Raises OSError if the disk refused; nothing that was written
        since the last sync may be counted on then.
        """
        with self._sync_lock:
            if self._synced >= number:
                return
            appended, file = self._appended, self._file
            try:
                if file is not None:
                    os.fdatasync(file)
            except OSError:
                # The kernel may have dropped the pages: asking again would wrongly succeed.
                self._file = None
                raise
            self._synced = appended

    def close(self) -> None:
        """Leave the current segment as it is."""
        self._ended.set()
        with self._sync_lock:
            if self._file is not None:
                os.close(self._file)
            self._file = None
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
            if self._file is not None:
                os.fdatasync(self._file)
                os.close(self._file)
                self._file = None
            path = segment_path(self._directory, version, self._clock.slot)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            file = os.open(path, flags, 0o600)
            sync_directory(self._directory)
            self._file, self._size, self._began = file, 0, version
        return file

    def _repair(self, file: int) -> None:
        """Take a half-written record off again; if even that fails, start a new segment next.

        The drain passes over a half record at a segment's end.
        """
        try:
            os.ftruncate(file, self._size)
        except OSError:
            self._file = None
            os.close(file)

    def _require_room(self) -> None:
        now = time.monotonic()
        if now < self._room_until:
            return
        require_room(self._directory, self._options)
        self._room_until = now + _ROOM_CHECKED_FOR_S

    def _sync_often(self) -> None:
        while not self._ended.wait(self._options.interval_ms / 1000):
            try:
                self.sync(self._appended)
            except OSError as error:
                log.error("the journal could not be synced: %s", error)


def require_room(directory: Path, options: Options) -> None:
    """Raises OSError when the backlog or the disk is at its limit."""
    if shutil.disk_usage(directory).free < options.min_free_mb << 20:
        raise OSError(f"less than {options.min_free_mb} MB are free for the journal")
    if total_bytes(directory) > options.max_mb << 20:
        raise OSError(f"the journal's backlog is over {options.max_mb} MB")
    if oldest_age_s(directory) > options.max_age_s:
        raise OSError(f"the journal's backlog is older than {options.max_age_s} s")
