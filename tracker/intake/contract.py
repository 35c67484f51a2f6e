"""What every intake promises to the view, and every source to the drain."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tracker.adds import Add, Record


class Unavailable(Exception):
    """An add can't be made durable now; the same one may be tried again later (R32)."""


class Intake(Protocol):
    """What every intake promises to the view."""

    blocks: bool
    """Whether `accept` waits for another process or for the disk: then it runs on a thread."""

    groups: bool
    """Whether `accept` costs little more for many adds than for one: then the server collects."""

    def accept(self, *adds: Add) -> None:
        """Make adds durable, as durable as this intake's row of the README's table says.

        Of one item, the last counts. Returns once their 200s may be sent. Raises Unavailable,
        within STORE_TIMEOUT_S, when it can't; then none, some or all of them may be stored.
        Accepting an add twice leaves the same rows as accepting it once.
        """

    def check(self) -> None:
        """Raises Unavailable, with the reason, if an add could not be made durable now.

        Raises ImproperlyConfigured if it never could: the part behind it may lose what it holds.
        """

    def warnings(self) -> list[str]:
        """What makes the promise weaker than it reads, and what to do about it; one line each."""

    def source(self) -> "Source | None":
        """Where what was accepted waits for the drain; None if it is in its rows already."""

    def close(self) -> None:
        """Before the process ends: what was accepted is as durable as it will ever be."""


@dataclass(frozen=True)
class Batch:
    """Records to merge; `more` says whether others waited behind them when they were read.

    `token` is the source's own, for `acknowledge`.
    """

    records: Sequence[Record]
    more: bool
    token: Any = field(repr=False)


@dataclass(frozen=True)
class Backlog:
    """What an intake holds for the drain: records, bytes, the age of the oldest in seconds.

    Bytes are 0 where nobody counts them.
    """

    bytes: int
    oldest_age_s: float
    records: int


class Source(Protocol):
    """What every intake promises to the drain. Several processes may drain one intake at once."""

    def read(self, max_records: int) -> Batch | None:
        """The next records, or None if none wait. Read again by another if this process dies."""

    def acknowledge(self, batch: Batch) -> None:
        """Forget a batch. To be called after its commit, never before. Idempotent."""

    def backlog(self) -> Backlog:
        """What has been accepted and not acknowledged."""

    def is_empty(self) -> bool:
        """Whether nothing is left to come, also from others; asked when `read` gave None.

        Raises Unavailable while nobody can tell.
        """

    def close(self) -> None:
        """Leave what is not acknowledged to others."""
