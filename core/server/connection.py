"""One client's connection: the order of its responses, its deadlines, and its end."""

import asyncio
import sys
from collections import deque
from collections.abc import Iterable
from typing import Protocol, cast

from core.server import response
from core.server.parser import HEAD_TIMEOUT, MALFORMED, Environ, FailedBody, RequestReader
from tracker.endpoint.body import body_incomplete, body_timeout
from tracker.endpoint.paths import is_items
from tracker.endpoint.problem import Problem

HEAD_TIMEOUT_S = 10
BODY_TIMEOUT_S = 10
KEEP_ALIVE_S = 75
WRITE_TIMEOUT_S = 30
# How long a client may go on sending after its last response. Closing at once would reset the
# connection, and a client that is sending its body would never see why it was refused.
LAST_READ_S = 2
MAX_PIPELINED = 16


class Host(Protocol):
    """What the connections of a process share. The dispatcher implements it."""

    loop: asyncio.AbstractEventLoop
    now: float
    """Seconds of a monotonic clock, once a second."""
    date: str
    """The value of the Date header."""
    stopping: bool
    max_upload_bytes: int
    connections: "set[Connection]"

    def run(self, environ: Environ, connection: "Connection") -> None:
        """Answer a request: call `write_response` and maybe `stream`, then `end_response`."""


class Connection(asyncio.Protocol):
    """A connection. Everything runs on the event loop, except `stream`."""

    __slots__ = (
        "_busy",
        "_host",
        "_ignores_input",
        "_keep_alive",
        "_pending",
        "_reader",
        "_writable",
        "deadline",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pending: deque[tuple[Environ, bool]] = deque()  # Complete requests that wait.
        self._busy = False  # The application works on a request.
        self._ignores_input = False  # The connection is ending: ignore what still arrives.
        self._keep_alive = True
        self._writable = asyncio.Event()
        self._writable.set()

    # -- The connection's life ---------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        return self._reader.environ is None and not self._busy and not self._pending

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if transport.get_extra_info("peername") is None:
            self.transport.abort()  # It was reset before it was accepted.
            return
        self.deadline = self._host.now + HEAD_TIMEOUT_S
        self._host.connections.add(self)
        self._reader = RequestReader(
            _base_environ(transport),
            max_upload_bytes=self._host.max_upload_bytes,
            on_request=self._run_in_order,
            on_fault=self._fail,
            on_progress=self._set_deadline,
            on_continue=self._send_continue,
        )

    def connection_lost(self, error: Exception | None) -> None:
        self._host.connections.discard(self)
        self._ignores_input = True
        self._pending.clear()
        self._writable.set()  # A thread that waits to send must notice.

    def data_received(self, data: bytes) -> None:
        if not self._ignores_input:
            self._reader.feed(data)

    def eof_received(self) -> bool:
        """Handle the end of the input. The client may still read: it gets its responses first."""
        if not self._ignores_input and self._reader.environ is not None:
            self._fail(body_incomplete() if self._reader.in_body else MALFORMED)
        self._ignores_input = True
        self._keep_alive &= bool(self._pending)
        return self._busy or bool(self._pending)

    def pause_writing(self) -> None:
        """Stop reading requests until the client reads its responses."""
        self._writable.clear()
        self.transport.pause_reading()
        self.deadline = self._host.now + WRITE_TIMEOUT_S

    def resume_writing(self) -> None:
        self._writable.set()
        self._resume_reading()
        self._await_more()
        self._run_next()

    def overdue(self) -> None:
        """Handle a deadline that has passed."""
        if not self._writable.is_set() or self.transport.is_closing():
            self.transport.abort()  # It does not even read its responses.
        elif self._ignores_input or self.idle:
            self.transport.close()
        else:
            self._fail(body_timeout() if self._reader.in_body else HEAD_TIMEOUT)

    def _set_deadline(self) -> None:
        """Set the deadline for the whole head or the whole body, not for the next byte."""
        timeout_s = BODY_TIMEOUT_S if self._reader.in_body else HEAD_TIMEOUT_S
        self.deadline = self._host.now + timeout_s

    # -- The order: responses leave in the order of the requests (RFC 9112, section 9.3.2) ---------

    def _run_in_order(self, environ: Environ, keep_alive: bool) -> None:
        self._ignores_input = not keep_alive
        if not self._busy and not self._pending and self._writable.is_set():
            self._run(environ, keep_alive)
            return
        self._pending.append((environ, keep_alive))
        if len(self._pending) >= MAX_PIPELINED:
            self.transport.pause_reading()

    def _run_next(self) -> None:
        """Run the request that waits longest, once the client has read the earlier responses."""
        if self._pending and not self._busy and self._writable.is_set():
            environ, keep_alive = self._pending.popleft()
            self._resume_reading()
            self._run(environ, keep_alive)

    def _resume_reading(self) -> None:
        if len(self._pending) < MAX_PIPELINED and self._writable.is_set():
            self.transport.resume_reading()

    def _run(self, environ: Environ, keep_alive: bool) -> None:
        last = (self._ignores_input or self._host.stopping) and not self._pending
        self._keep_alive = keep_alive and not last
        self._ignores_input |= last
        self._busy = True
        if self._writable.is_set():
            self.deadline = float("inf")
        self._host.run(environ, self)

    def end_response(self) -> None:
        """Run the next request, or end the connection, after a response was sent."""
        self._busy = False
        if self._writable.is_set():
            self._await_more()
        if not self._keep_alive:
            self._pending.clear()
            self._close_after_reading()
        elif self._pending:
            # Not directly: hundreds of requests that never wait would nest too deeply.
            self._host.loop.call_soon(self._run_next)

    def _await_more(self) -> None:
        """Set the deadline of the next request, which may have arrived partly."""
        if self._reader.environ is None:
            self.deadline = self._host.now + KEEP_ALIVE_S
        else:
            self._set_deadline()

    def _send_continue(self) -> None:
        """Send 100 Continue, but never within another response."""
        if not self._busy and not self._pending:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _fail(self, problem: Problem) -> None:
        """Answer a request that did not arrive completely, and end the connection.

        Below /items the application answers: it adds the CORS headers without which a shop's script
        can't read the reason (R33).
        """
        environ, in_body = self._reader.environ, self._reader.in_body
        self._reader.environ = None
        self._ignores_input = True
        if in_body and environ is not None and is_items(environ["PATH_INFO"]):
            # Without a length, the application reads the input and gets the error.
            environ.pop("CONTENT_LENGTH", None)
            environ["wsgi.input_terminated"] = True
            environ["wsgi.input"] = FailedBody(problem)
            self._run_in_order(environ, keep_alive=False)
        elif self._busy or self._pending:
            self._keep_alive &= bool(self._pending)  # Ends after the responses that are due.
        else:
            self._write_problem(problem)
            self._close_after_reading()

    def _close_after_reading(self) -> None:
        """End the connection, so that a client that is still sending gets the last response."""
        self._ignores_input = True
        self.deadline = self._host.now + LAST_READ_S
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    # -- What goes out -----------------------------------------------------------------------------

    def write_response(
        self,
        environ: Environ,
        status: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
    ) -> None:
        """Send the head, and the body unless it follows in parts (None)."""
        if self.transport.is_closing():
            return
        self._keep_alive &= body is not None or response.has_visible_end(environ, headers)
        length = None if body is None else len(body)
        head = response.head(
            environ,
            status,
            headers,
            length=length,
            date=self._host.date,
            keep_alive=self._keep_alive,
        )
        sent = body if body and response.sends_body(environ, status) else b""
        self.transport.write(head + sent)

    def _write_problem(self, problem: Problem) -> None:
        refusal = problem.response()
        status = f"{refusal.status_code} {refusal.reason_phrase}"
        self._keep_alive = False
        about = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1"}
        self.write_response(about, status, list(refusal.headers.items()), refusal.content)

    def stream(self, parts: Iterable[bytes], *, chunked: bool) -> None:
        """Send a body in parts, no faster than the client reads it. Call it on a thread."""
        for part in parts:
            if part and not self._send_from_thread(response.chunk(part) if chunked else part):
                return
        if chunked:
            self._send_from_thread(response.chunk(b""))

    def _send_from_thread(self, data: bytes) -> bool:
        sending = asyncio.run_coroutine_threadsafe(self._send(data), self._host.loop)
        return sending.result()

    async def _send(self, data: bytes) -> bool:
        """Send data. Return whether the client is still there."""
        await self._writable.wait()
        if not self.transport.is_closing():
            self.transport.write(data)
        return not self.transport.is_closing()


def _base_environ(transport: asyncio.BaseTransport) -> Environ:
    """Return the part of the environ that is the same for all requests of a connection."""
    host, port = transport.get_extra_info("sockname")[:2]
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": transport.get_extra_info("peername")[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
