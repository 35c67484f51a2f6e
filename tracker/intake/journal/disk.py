"""What the journal asks of a disk, on Linux and on macOS."""

import errno
import fcntl
import os
from pathlib import Path

# On these another machine may hold the file: locks, maps and syncs promise less there.
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"})

_MOUNTS = Path("/proc/mounts")
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.ENOTTY}


def file_system(path: Path) -> str:
    """Return the type of the file system of a path, or "" without Linux' table of mounts."""
    if not _MOUNTS.exists():
        return ""
    best, kind = "", ""
    for line in _MOUNTS.read_text().splitlines():
        _, mount, mount_kind, *_ = line.split()
        if path.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, mount_kind
    return kind


def open_locked(path: Path, flags: int, *, lock: int = fcntl.LOCK_EX) -> int | None:
    """Open a file and lock it, or return None if the lock of another process excludes this one.

    The lock is flock(2), which Linux and macOS have. It belongs to the open file: it ends when the
    file is closed or the process dies, and a forked child must not unlock it, only close the file.

    Raises OSError.
    """
    file = os.open(path, flags, 0o600)
    try:
        fcntl.flock(file, lock | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return file


def sync_data(file: int) -> None:
    """Return when what was written to a file is on the disk. Raises OSError if the disk refuses.

    On macOS, fsync(2) leaves the data in the disk's cache; only F_FULLFSYNC waits for the disk. A
    file system that does not support it gets an fsync.
    """
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is None:
        os.fdatasync(file)
        return
    try:
        fcntl.fcntl(file, full_sync)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        os.fsync(file)
