"""Versions: acceptance times that always increase on one machine, whatever its clock does."""

import errno
import fcntl
import mmap
import os
import time
from pathlib import Path

from tracker.intake.journal.disk import open_locked

SLOTS = 64
# The low byte of a version is its writer's slot, so that no two versions are ever the same.
_STEP = 256
_FILE_BYTES = SLOTS * 8


class SlotsTakenError(OSError):
    """All slots of a directory are in use by other processes."""


class VersionClock:
    """The clock of one writer among up to 64 in a directory. Not thread-safe.

    A version is the time in nanoseconds since 1970, but always higher than every version that any
    writer of the directory gave before, even if the machine's clock was set back since: each writer
    keeps its last one in its own cell of a file that all of them have mapped. The file survives the
    death of any process; the kernel writes it to the disk later.

    A writer owns its slot by a lock on the slot's file, which ends with the process.

    Raises SlotsTakenError, and OSError if the directory can't be written.
    """

    def __init__(self, directory: Path) -> None:
        self.slot, self._lock = _take_slot(directory)
        try:
            self._map = _map_versions(directory)
        except OSError:
            os.close(self._lock)
            raise
        self._cells = memoryview(self._map).cast("q")

    def next(self) -> int:
        """Return the next version: higher than all that were given before this call began."""
        floor = max(self._cells)
        version = max(time.time_ns(), floor + _STEP) // _STEP * _STEP + self.slot
        self._cells[self.slot] = version
        return version

    def close(self) -> None:
        """Give the slot to others. In a forked child the parent keeps it."""
        self._cells.release()
        self._map.close()
        os.close(self._lock)


def is_taken(directory: Path, slot: int) -> bool:
    """Return whether a writer owns this slot now, in any process.

    For a moment this locks the slot itself. A writer that starts then takes another: no harm.
    """
    try:
        file = open_locked(_slot_path(directory, slot), os.O_RDONLY, lock=fcntl.LOCK_SH)
    except FileNotFoundError:
        return False
    if file is None:
        return True
    os.close(file)
    return False


def _slot_path(directory: Path, slot: int) -> Path:
    return directory / f"slot-{slot:02d}"


def _take_slot(directory: Path) -> tuple[int, int]:
    """Return the first free slot, and the file whose lock makes it ours."""
    for slot in range(SLOTS):
        file = open_locked(_slot_path(directory, slot), os.O_RDWR | os.O_CREAT)
        if file is not None:
            return slot, file
    raise SlotsTakenError("all 64 slots of this directory are taken by running processes")


def _map_versions(directory: Path) -> mmap.mmap:
    """Map the file of all writers' last versions, and fill it with zeros first.

    On a full disk, a write to a hole through the map would kill the process (SIGBUS). Two writers
    that fill it at the same time make it longer than needed, and overwrite nothing (O_APPEND).
    """
    file = os.open(directory / "versions", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        missing = _FILE_BYTES - os.fstat(file).st_size
        if missing > 0 and os.write(file, bytes(missing)) < missing:
            raise OSError(errno.ENOSPC, "no space for the file of versions")
        return mmap.mmap(file, _FILE_BYTES)
    finally:
        os.close(file)
