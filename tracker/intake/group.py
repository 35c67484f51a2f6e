"""Groups of adds that share one wait: those of the requests that arrive at the same moment."""

from time import perf_counter
from typing import Any

from tracker import counters
from tracker.adds import Add
from tracker.intake.selection import current_intake

# The key in a WSGI environ of the group that this request's add joins. The server holds the reply
# until the group is durable.
KEY = "cart_tracker.group"


class Group:
    """Adds that become durable with one wait."""

    def __init__(self) -> None:
        self._adds: list[Add] = []
        self._begun: list[float] = []

    def __len__(self) -> int:
        return len(self._adds)

    def join(self, add: Add) -> None:
        self._begun.append(perf_counter())
        self._adds.append(add)

    def accept(self) -> None:
        """Make all of them durable. Raises Unavailable; see Intake.accept."""
        current_intake().accept(*self._adds)
        for begin in self._begun:
            counters.count_accepted(begin)


def accept(environ: dict[str, Any], add: Add) -> None:
    """Make an add durable, or add it to the group of this request if the server has given one.

    Raises Unavailable.
    """
    invited: Group | None = environ.get(KEY)
    group = Group() if invited is None else invited
    group.join(add)
    if invited is None:
        group.accept()
