"""What kind of disk a directory is on."""

from pathlib import Path

# Where another machine may hold the file: locks, maps and syncs mean less there.
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"})


def file_system(path: Path) -> str:
    """The type of the file system that a path is on, as Linux names it; the longest mount wins."""
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, mount_kind, *_ = line.split()
        if path.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, mount_kind
    return kind
