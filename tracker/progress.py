"""How far a command is, said while it runs, and stopping it without losing count."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import OutputWrapper

SECONDS_BETWEEN_LINES = 5
_WIDTH = 79


class Progress:
    """Writes to `out` how much of `total` is done, at which rate, and how long the rest may take.

    One line that is written over and over on a terminal, elsewhere a line every few seconds.
    """

    def __init__(
        self,
        out: OutputWrapper,
        total: int,
        unit: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out, self._total, self._unit, self._clock = out, total, unit, clock
        self._began = self._said = clock()
        self._ending = "\r" if out.isatty() else "\n"

    def at(self, done: int) -> None:
        """So much is done by now."""
        now = self._clock()
        if self._ending == "\n" and now - self._said < SECONDS_BETWEEN_LINES:
            return
        self._said = now
        self._write(self._line(done, now - self._began), self._ending)

    def end(self) -> None:
        """What is written from now on does not stand in the line of before."""
        if self._ending == "\r":
            self._write("", "\r")

    def _line(self, done: int, seconds: float) -> str:
        line = f"{done:,} of {self._total:,} {self._unit}"
        if not (done and seconds):
            return line
        rate = done / seconds
        return f"{line}, {rate:,.0f} a second, {duration((self._total - done) / rate)} left"

    def _write(self, line: str, ending: str) -> None:
        text = line.ljust(_WIDTH) if ending == "\r" else line
        self._out.write(text, style_func=str, ending=ending)
        self._out.flush()


def duration(seconds: float) -> str:
    """For people: 42 s, 3 min 20 s, 2 h 5 min. Less than nothing is nothing."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def stoppable() -> Iterator[Callable[[], int]]:
    """Within, SIGINT and SIGTERM stop nothing: they are what the yielded function answers then.

    It returns the signal's number, 0 as long as none has come; who asks it ends at a moment that
    suits. A second signal ends the process as ever. Only for the main thread.
    """
    came = 0

    def note(signum: int, frame: FrameType | None) -> None:
        nonlocal came
        came = signum
        restore()

    before = {signum: signal.signal(signum, note) for signum in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for signum, handler in before.items():
            signal.signal(signum, handler)

    try:
        yield lambda: came
    finally:
        restore()
