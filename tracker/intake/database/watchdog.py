"""Limit how long a reply waits for a database that has stopped answering (R32)."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


class Watchdog:
    """Shut down connections that have waited for their database for too long.

    The database's own limits are no help: the server that does not answer applies them, and a
    frozen server still acknowledges TCP packets. The shutdown makes the driver's read fail at once
    with its ordinary error.
    """

    def __init__(self, tick_s: float = 0.1) -> None:
        self._tick_s = tick_s
        self._lock = threading.Lock()
        self._watched: dict[int, float] = {}  # A connection's file descriptor -> its deadline.
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    @contextmanager
    def limit(self, fileno: int, seconds: float) -> Iterator[None]:
        """Shut the connection down if this block takes longer than `seconds`."""
        with self._lock:
            self._watched[fileno] = time.monotonic() + seconds
        try:
            yield
        finally:
            with self._lock:
                self._watched.pop(fileno, None)

    def _run(self) -> None:
        while True:
            time.sleep(self._tick_s)
            now = time.monotonic()
            with self._lock:  # Held meanwhile: the descriptor must stay this connection's.
                for fileno in [each for each, deadline in self._watched.items() if deadline < now]:
                    del self._watched[fileno]
                    _shut_down(fileno)


def _shut_down(fileno: int) -> None:
    """Shut the connection down. The descriptor stays open; its owner closes it."""
    try:
        with socket.socket(fileno=os.dup(fileno)) as connection:
            connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # The connection has ended already.


@cache
def watchdog() -> Watchdog:
    """Return the watchdog of this process. The first call starts it."""
    return Watchdog()
