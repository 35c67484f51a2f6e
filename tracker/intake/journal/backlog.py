"""Measure what a journal holds, for its limits and for the metrics."""

import os
import time
from contextlib import suppress
from pathlib import Path

from tracker.intake.contract import Backlog
from tracker.intake.journal.segments import Segment, sealed, segments

# Bytes to count in one measurement, which a request may wait for. What is above this is estimated
# until later measurements count it: a worker may start with a backlog of gigabytes.
COUNT_BYTES = 16 << 20


class JournalBacklog:
    """Measure a journal independently of its writers and readers. Every byte is read only once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._counted: dict[Path, tuple[int, int]] = {}  # Bytes counted, records in them.

    def measure(self) -> Backlog:
        """Return all that the segments hold, including drained records of growing segments.

        `oldest_age_s` is the age of the oldest segment that its writer has finished. The current
        segments do not count: with little traffic they are old although they are drained.

        Raises OSError.
        """
        found = segments(self._directory)
        finished = sealed(self._directory, found)
        ages = [time.time_ns() - each.version for each in found if each.path in finished]
        sizes = _sizes(found)
        return Backlog(
            bytes=sum(sizes.values()),
            oldest_age_s=max(ages, default=0) / 1e9,
            records=self._count(sizes),
        )

    def _count(self, sizes: dict[Path, int]) -> int:
        self._counted = {path: self._counted.get(path, (0, 0)) for path in sizes}
        budget = COUNT_BYTES
        for path, size in sizes.items():
            counted, records = self._counted[path]
            more = min(size - counted, budget)
            if more > 0:
                budget -= more
                self._counted[path] = counted + more, records + _lines(path, counted, more)
        counted = sum(bytes_ for bytes_, _ in self._counted.values())
        records = sum(records for _, records in self._counted.values())
        return records * sum(sizes.values()) // counted if counted else 0


def _sizes(found: list[Segment]) -> dict[Path, int]:
    sizes = {}
    for each in found:
        with suppress(FileNotFoundError):  # Drained meanwhile.
            sizes[each.path] = each.path.stat().st_size
    return sizes


def _lines(path: Path, offset: int, length: int) -> int:
    with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), length, offset).count(b"\n")
    return 0
