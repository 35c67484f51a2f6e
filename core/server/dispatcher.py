"""What the connections of a process share, and where the application runs."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import formatdate
from functools import partial
from itertools import islice
from typing import Any, Literal, Protocol

from django.http import HttpResponse

from core.server.connection import Connection
from core.server.files import FileBody
from core.server.group_commit import GroupCommit
from core.server.http.head import Environ
from core.server.http.parser import Event, Fault
from core.server.http.writer import is_chunked, sends_body
from tracker.endpoint.problem import Problem

# Larger than all static files. Anybody may request those, and if they were sent from threads, as
# many slow readers as there are threads would stop the service.
MAX_WHOLE_BYTES = 4_194_304
# How many connections are looked at to find an idle one that makes room for a new one.
_LOOKED_AT = 100

log = logging.getLogger(__name__)

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Refuse(Protocol):
    """Return the answer to a request that could not be read. See parser.Fault."""

    def __call__(
        self, problem: Problem, environ: Environ | None, *, in_body: bool
    ) -> HttpResponse: ...


def refuse_plainly(
    problem: Problem, environ: Environ | None = None, *, in_body: bool = False
) -> HttpResponse:
    """Return the same answer, wherever the request went."""
    return problem.response()


class Dispatcher:
    """The factory of the connections, which also runs the application for them.

    The application runs on the event loop for `inline_paths`, where nothing blocks, and on one of
    `threads` threads for all other paths, so there are as many database connections as threads.
    Paths that begin with one of `file_prefixes` are those of files, and have a thread of their own.
    With `group_commit`, the responses of the inline paths wait for their group (group_commit.py).
    `refuse` answers requests that could not be read. It runs on the event loop.
    """

    def __init__(
        self,
        application: Application,
        *,
        inline_paths: frozenset[str],
        file_prefixes: tuple[str, ...] = (),
        threads: int,
        max_upload_bytes: int,
        refuse: Refuse = refuse_plainly,
        group_commit: Literal["inline", "thread"] | None = None,
        keep_alive_s: float = 75,
        max_connections: int = 1000,
    ) -> None:
        self._application = application
        self._refuse_with = refuse
        self._inline_paths = inline_paths
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        # One thread: they wait for nothing, and each thread more competes with the loop for the
        # interpreter's lock.
        self._file_pool = ThreadPoolExecutor(1, thread_name_prefix="files")
        self._file_prefixes = file_prefixes
        self._group_commit = (
            GroupCommit(self, blocks=group_commit == "thread") if group_commit else None
        )
        self._max_connections = max_connections
        self.max_upload_bytes = max_upload_bytes
        self.keep_alive_s = keep_alive_s
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.stopping = False
        self._tick()

    def __call__(self) -> Connection:
        return Connection(self)

    def _tick(self) -> None:
        """Each second, update the clock of the deadlines and the Date header; end what is late."""
        self.loop.call_later(1, self._tick)
        self.now = time.monotonic()
        self.date = formatdate(usegmt=True)
        for connection in [each for each in self.connections if each.deadline < self.now]:
            connection.time_out()

    def add(self, connection: Connection) -> bool:
        """See Host.add. At the limit, a connection that waits for its next request is closed."""
        if len(self.connections) >= self._max_connections:
            candidates = islice(self.connections, _LOOKED_AT)
            idle = next((each for each in candidates if each.is_idle), None)
            if idle is None:
                return False
            idle.close()
            self.connections.discard(idle)
        self.connections.add(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """See Host.remove."""
        self.connections.discard(connection)

    def run(self, event: Event, connection: Connection) -> None:
        """Answer one request: inline, with a group of others, or on a thread."""
        if isinstance(event, Fault):
            self._refuse(event, connection)
        elif event.environ["PATH_INFO"] not in self._inline_paths:
            self.run_on_thread(event.environ, connection)
        elif self._group_commit is None:
            self.answer(event.environ, connection, on_loop=_at_once)
        else:
            self._group_commit.run(event.environ, connection)

    def run_on_thread(self, environ: Environ, connection: Connection) -> None:
        """Call the application on a thread, and send its response."""
        is_file = environ["PATH_INFO"].startswith(self._file_prefixes)
        pool = self._file_pool if is_file else self._pool
        pool.submit(self.answer, environ, connection, on_loop=self._call_on_loop)

    def _call_on_loop(self, call: Callable[..., None], *args: Any) -> None:
        """Make a call on the loop from a thread, and wait until it was made.

        Otherwise threads that send large files get far ahead of the loop, which then works on
        hundreds of them before it looks at a new connection.
        """
        made = Future[None]()

        def make() -> None:
            try:
                call(*args)
            finally:
                made.set_result(None)

        self.loop.call_soon_threadsafe(make)
        made.result()

    def answer(self, environ: Environ, connection: Connection, *, on_loop: Any) -> None:
        """Call the application. `on_loop` gets each call that must be made on the loop."""
        started: list[Any] = ["500 Internal Server Error", []]
        try:
            result = self._application(environ, partial(_start, started))
            if _fits_in_memory(result, started[1]):
                body = result.read() if isinstance(result, FileBody) else b"".join(result)
                on_loop(connection.write_response, *started, body)
            else:
                self._stream(environ, connection, started, result, on_loop)
            if hasattr(result, "close"):
                result.close()
        except Exception:
            log.exception("the application raised, or its answer broke off")
            on_loop(connection.abort)
        on_loop(connection.end_response)

    def _stream(
        self,
        environ: Environ,
        connection: Connection,
        started: list[Any],
        parts: Iterable[bytes],
        on_loop: Any,
    ) -> None:
        on_loop(connection.write_response, *started, None)
        if sends_body(environ, started[0]):
            connection.stream(parts, chunked=is_chunked(environ, started[1]))

    def _refuse(self, fault: Fault, connection: Connection) -> None:
        response = self._refuse_with(fault.problem, fault.environ, in_body=fault.in_body)
        status = f"{response.status_code} {response.reason_phrase}"
        connection.write_response(status, list(response.headers.items()), response.content)
        connection.end_response()

    async def stop(self, *, within_s: float) -> None:
        """Finish all requests. An idle client may send one more, and is told to close.

        Returns when all connections are closed, or after `within_s` seconds ends the others.
        """
        self.stopping = True
        begin = time.monotonic()
        while self.connections and (waited := time.monotonic() - begin) < within_s:
            if waited > within_s / 4:
                for connection in [each for each in self.connections if each.is_idle]:
                    connection.close()
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        for pool in (self._pool, self._file_pool):
            pool.shutdown(wait=False, cancel_futures=True)


def _fits_in_memory(result: Iterable[bytes], headers: list[tuple[str, str]]) -> bool:
    """Return whether a response is sent whole, so that no thread waits for a slow reader."""
    if not isinstance(result, FileBody) and not getattr(result, "streaming", False):
        return True
    length = next((int(value) for name, value in headers if name == "Content-Length"), None)
    return length is not None and length <= MAX_WHOLE_BYTES


def _start(started: list[Any], status: str, headers: list[Any], exc_info: Any = None) -> None:
    started[:] = status, headers


def _at_once(call: Callable[..., None], *args: Any) -> None:
    call(*args)
