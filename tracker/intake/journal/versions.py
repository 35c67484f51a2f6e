"""Versions: acceptance times that always increase on one machine, whatever its clock does."""

import errno
import fcntl
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

    A writer owns its slot by a lock (flock(2)) on the slot's file, which ends with the process.

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


def taken_slots(directory: Path) -> set[int]:
    """Return the slots of the writers that run now, also that of this process."""
    taken = set()
    for slot in range(SLOTS):
        path = _slot_path(directory, slot)
        if not path.exists():  # Files are made in order, and stay.
            break
        if _is_taken(path):
            taken.add(slot)
    return taken


def _slot_path(directory: Path, slot: int) -> Path:
    return directory / f"slot-{slot:02d}"


def _take_slot(directory: Path) -> tuple[int, int]:
    """Return the first free slot, and the file whose lock makes it ours."""
    for slot in range(SLOTS):
        file = os.open(_slot_path(directory, slot), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            return slot, file
    raise SlotsTakenError("all 64 slots of this directory are taken by running processes")


def _is_taken(path: Path) -> bool:
    """Try a shared lock. A writer that starts at this moment takes the next slot: no harm."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _map_versions(directory: Path) -> mmap.mmap:
    """Map the file of all writers' last versions, and create it first, without holes.

    On a full disk, a write to a hole through the map would kill the process (SIGBUS).
    """
    file = os.open(directory / "versions", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _locked(file):
            size = os.fstat(file).st_size
            missing = _FILE_BYTES - size
            if missing > 0 and os.pwrite(file, bytes(missing), size) < missing:
                raise OSError(errno.ENOSPC, "no space for the file of versions")
        return mmap.mmap(file, _FILE_BYTES)
    finally:
        os.close(file)


@contextmanager
def _locked(file: int) -> Iterator[None]:
    """Keep other processes from filling the same file: zeros would overwrite their versions."""
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
