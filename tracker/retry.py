"""The one retry loop, for work in the background. A reply never waits for it (R32)."""

import math
import random
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 5.0


class StoppedError(Exception):
    """The caller was asked to stop while it waited for the next try."""


def retry(
    action: Callable[[], T],
    *,
    errors: tuple[type[Exception], ...],
    recover: Callable[[Exception], None],
    stop: threading.Event | None = None,
    tries: float = math.inf,
) -> T:
    """Repeat the action until it succeeds, and return its result.

    After one of `errors`, call `recover` with it and wait, each time twice as long, up to
    MAX_PAUSE_S. Raises the error of the last try, or StoppedError once `stop` is set.
    """
    stop = stop or threading.Event()
    pause_s = FIRST_PAUSE_S
    while True:
        tries -= 1
        try:
            return action()
        except errors as error:
            if tries <= 0:
                raise
            recover(error)
        # Jitter, so that several processes do not come back in step.
        if stop.wait(pause_s * random.uniform(0.5, 1.0)):  # noqa: S311
            raise StoppedError
        pause_s = min(pause_s * 2, MAX_PAUSE_S)
