"""Adds that are made durable together: the requests of one turn of the server's loop."""

from time import perf_counter
from typing import Any

from tracker import counters
from tracker.adds import Add
from tracker.intake.selection import current_intake

# In a WSGI environ: the group to which the server invites this request's add. It holds the reply
# until the group is durable.
KEY = "cart_tracker.group"


class Group:
    """Collects adds, then makes all of them durable with one wait."""

    def __init__(self) -> None:
        self._adds: list[Add] = []
        self._begun: list[float] = []

    def __len__(self) -> int:
        return len(self._adds)

    def join(self, add: Add) -> None:
        self._begun.append(perf_counter())
        self._adds.append(add)

    def accept(self) -> None:
        """Raises Unavailable; see Intake.accept."""
        current_intake().accept(*self._adds)
        for begin in self._begun:
            counters.count_accepted(begin)


def accept(environ: dict[str, Any], add: Add) -> None:
    """Make an add durable; or leave that to the server, if it has invited this request to a group.

    Raises Unavailable.
    """
    invited: Group | None = environ.get(KEY)
    group = Group() if invited is None else invited
    group.join(add)
    if invited is None:
        group.accept()
