"""Take new connections from the listening socket."""

import asyncio
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

# In one turn of the loop. uvloop takes one: behind 500 clients that each ask for large files, a new
# one then waits for 500 turns. Taking all at once would leave nothing to the other workers.
MAX_AT_ONCE = 16
# The pause after an error, such as too many open files in the whole system.
RETRY_S = 1.0


class Acceptor:
    """Accept connections on a socket that other processes may share, until it is closed."""

    def __init__(self, listener: socket.socket, factory: Callable[[], asyncio.Protocol]) -> None:
        self._listener = listener
        self._factory = factory
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    def _accept(self) -> None:
        for _ in range(MAX_AT_ONCE):
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("no connection can be accepted for %s s: %s", RETRY_S, error)
                self._loop.remove_reader(self._listener)
                self._loop.call_later(RETRY_S, self._loop.add_reader, self._listener, self._accept)
                return
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._factory, client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Take no more. What the kernel holds is left to the other processes."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        await asyncio.gather(*self._tasks)
