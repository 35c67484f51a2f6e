"""The segments of a journal: one writer each, records as lines, in the order of their names."""

import os
from dataclasses import dataclass
from pathlib import Path

from tracker.intake.journal.disk import open_locked
from tracker.intake.journal.versions import is_taken

SUFFIX = ".log"
CORRUPT_SUFFIX = ".corrupt"


@dataclass(frozen=True, order=True)
class Segment:
    """One file, named after the version of its first record and the slot of its writer."""

    version: int
    slot: int
    path: Path


def segment_path(directory: Path, version: int, slot: int) -> Path:
    return directory / f"{version:019d}-{slot:02d}{SUFFIX}"


def segments(directory: Path) -> list[Segment]:
    """Return all segments, oldest first. Other files are ignored."""
    found = []
    for path in directory.glob(f"*{SUFFIX}"):
        version, _, slot = path.stem.partition("-")
        if version.isdigit() and slot.isdigit():
            found.append(Segment(int(version), int(slot), path))
    return sorted(found)


def sealed(directory: Path, among: list[Segment]) -> set[Path]:
    """Return the segments that are finished: their writer has ended, or has a newer one."""
    newest = {each.slot: each.path for each in among}
    open_ones = {path for slot, path in newest.items() if is_taken(directory, slot)}
    return {each.path for each in among} - open_ones


def claim(path: Path) -> int | None:
    """Open a segment for reading by this process alone.

    Return None if another drain has it, or it is deleted. The claim ends with the process, or when
    the file is closed.
    """
    try:
        file = open_locked(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if file is not None and not path.exists():  # Another one deleted it before we had the lock.
        os.close(file)
        return None
    return file


def complete_lines(file: int, offset: int, max_bytes: int) -> list[bytes]:
    """Return the whole lines from an offset on: about `max_bytes`, at least one if there is any.

    What follows the last newline is ignored: it is still being written, or its writer died.
    """
    while True:
        data = os.pread(file, max_bytes, offset)
        end = data.rfind(b"\n") + 1
        if end or len(data) < max_bytes:
            return data[:end].splitlines(keepends=True)
        max_bytes *= 2


def create(path: Path) -> int:
    """Create a segment to append to. Its name is durable, too (fsync(2))."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    try:
        _sync_directory(path.parent)
    except OSError:
        os.close(file)
        raise
    return file


def _sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
