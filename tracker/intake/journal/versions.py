"""Versions: acceptance times that rise, on one machine, whatever its clock does (R22)."""

import fcntl
import mmap
import os
import struct
import time
from pathlib import Path

SLOTS = 64
# The low byte of a version is its writer's slot, so that no two versions are ever the same.
_STEP = 256


class SlotsTakenError(OSError):
    """All slots of a directory are in use by other processes."""


class VersionClock:
    """The clock of one writer among up to 64 in a directory.

    A version is the time in nanoseconds since 1970, but always higher than every version that any
    writer of the directory gave before, even if the machine's clock was set back since: each writer
    keeps its last one in its own cell of a file that all of them have mapped. The file survives the
    death of any process; the kernel writes it back to the disk.

    Not thread-safe. Raises SlotsTakenError, and OSError if the directory can't be written.
    """

    def __init__(self, directory: Path) -> None:
        self._file = os.open(directory / "versions", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Not a hole: on a full disk, writing to it through the map would be our death (SIGBUS).
            os.posix_fallocate(self._file, 0, SLOTS * 8)
            self.slot = self._take_slot()
        except OSError:
            os.close(self._file)
            raise
        self._map = mmap.mmap(self._file, SLOTS * 8)
        self._cells = memoryview(self._map).cast("q")

    def _take_slot(self) -> int:
        """The first byte of the file that no other process has locked is ours until we end."""
        for slot in range(SLOTS):
            if _lock(self._file, slot):
                return slot
        raise SlotsTakenError("all 64 slots of this directory are taken by running processes")

    def next(self) -> int:
        """The next version: higher than all that were given before this call began."""
        floor = max(self._cells)
        version = max(time.time_ns(), floor + _STEP) // _STEP * _STEP + self.slot
        self._cells[self.slot] = version
        return version

    def close(self) -> None:
        self._cells.release()
        self._map.close()
        os.close(self._file)


def taken_slots(directory: Path) -> set[int]:
    """The slots of the writers that are running now, this process's own among them."""
    try:
        file = os.open(directory / "versions", os.O_RDWR)
    except FileNotFoundError:
        return set()
    try:
        return {slot for slot in range(SLOTS) if _is_locked(file, slot)}
    finally:
        os.close(file)


# Locks of the open file, not of the process (fcntl(2), "Open file description locks"): the classic
# ones would all be gone as soon as anything in the process closed the same file.
_FLOCK = struct.Struct("hhqqi4x")


def _lock(file: int, slot: int) -> bool:
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, slot, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_locked(file: int, slot: int) -> bool:
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, slot, 1, 0)
    lock_type: int = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked))[0]
    return lock_type != fcntl.F_UNLCK
