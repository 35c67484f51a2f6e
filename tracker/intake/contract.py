"""What every intake promises to the view, and every source to the drain."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tracker.adds import Add, Record


class Unavailable(Exception):
    """An add can't be made durable now. The same add may be sent again later (R32)."""


class Intake(Protocol):
    """What every intake promises to the view."""

    blocks: bool
    """Whether `accept` waits for another process or the disk. Then it runs on a thread."""

    def accept(self, *adds: Add) -> None:
        """Make adds durable, as docs/durability.md promises for this intake.

        Many take little longer than one, so the server calls it for all that arrive at one moment
        (core/server/group_commit.py). Of several adds of one item the last counts. Returns when
        their 200s may be sent. Raises Unavailable within STORE_TIMEOUT_S if it fails; then none,
        some or all of them may be stored. Idempotent: an add that is accepted twice leaves the same
        rows.
        """

    def check(self) -> None:
        """Check whether an add could be made durable now.

        Raises Unavailable with the reason if not, ImproperlyConfigured if it never could: the
        server behind the intake may lose what it holds.
        """

    def warnings(self) -> list[str]:
        """Return a warning for each way in which this setup is less durable than documented."""

    def source(self) -> "Source | None":
        """Return the source of the drain, or None if accepted adds are rows already."""

    def close(self) -> None:
        """Finish at the end of the process: make what was accepted as durable as it can be."""


@dataclass(frozen=True)
class Batch:
    """Records to merge. `more` says whether others waited behind them when they were read.

    `token` belongs to the source, for `acknowledge`.
    """

    records: Sequence[Record]
    more: bool
    token: Any = field(repr=False)


@dataclass(frozen=True)
class Backlog:
    """What an intake holds for the drain: records, bytes, and the age of the oldest in seconds.

    Bytes are 0 where they are not counted.
    """

    bytes: int
    oldest_age_s: float
    records: int


class Source(Protocol):
    """What every intake promises to the drain. Several processes may drain one intake at once."""

    def read(self, max_records: int) -> Batch | None:
        """Return the next records, or None. If this process dies, another one reads them again."""

    def acknowledge(self, batch: Batch) -> None:
        """Forget a batch. Call it after the commit, never before. Idempotent."""

    def backlog(self) -> Backlog:
        """Return how much was accepted and not acknowledged."""

    def is_empty(self) -> bool:
        """Return whether nothing is left, also in the hands of others. Call it after a `None`.

        Raises Unavailable while that is unknown.
        """

    def close(self) -> None:
        """Leave what is not acknowledged to other readers."""
