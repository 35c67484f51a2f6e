"""Between asyncio and the protocol of one connection: everything that waits is here."""

import asyncio
import sys
from collections.abc import Iterable
from typing import Protocol, cast

from core.server.files import FileBody
from core.server.http import writer
from core.server.http.head import Environ
from core.server.http.parser import Event
from core.server.http.protocol import ServerProtocol, State

_IPV4_MAPPED = "::ffff:"


class Host(Protocol):
    """What the connections of a process share. The dispatcher implements it."""

    loop: asyncio.AbstractEventLoop
    now: float
    """Seconds of a monotonic clock, once a second."""
    date: str
    """The value of the Date header."""
    stopping: bool
    max_upload_bytes: int
    keep_alive_s: float

    def add(self, connection: "Connection") -> bool:
        """Take a new connection. False: there are too many."""

    def remove(self, connection: "Connection") -> None:
        """Forget a connection that has ended."""

    def run(self, event: Event, connection: "Connection") -> None:
        """Answer a request: call `write_response` and maybe `stream`, then `end_response`."""


class Connection(asyncio.Protocol):
    """A connection. Everything runs on the event loop, except `stream`."""

    __slots__ = ("_host", "_is_reading", "_protocol", "_resumed", "_transport")

    _transport: asyncio.Transport
    _protocol: ServerProtocol

    def __init__(self, host: Host) -> None:
        self._host = host
        self._is_reading = True
        self._resumed: asyncio.Future[None] | None = None
        """While the client does not read: becomes done when it does, or is gone."""

    @property
    def is_idle(self) -> bool:
        return self._protocol.is_idle

    @property
    def deadline(self) -> float:
        """When to call `time_out`, on the host's clock."""
        return self._protocol.deadline

    # -- asyncio's callbacks -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._protocol = ServerProtocol(
            base_environ(transport),
            max_upload_bytes=self._host.max_upload_bytes,
            keep_alive_s=self._host.keep_alive_s,
            now=self._host.now,
        )
        # Without a peer name, it was reset before it was accepted.
        if transport.get_extra_info("peername") is None or not self._host.add(self):
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._host.remove(self)
        self._protocol.lose()
        self._wake()  # A thread that waits to send must notice.

    def data_received(self, data: bytes) -> None:
        self._protocol.receive(data, self._host.now)
        self._go_on()

    def eof_received(self) -> bool:
        """Take the end of the input. Return whether the connection stays open for responses."""
        self._protocol.receive_eof(self._host.now)
        self._go_on()
        return self._protocol.state is not State.CLOSED

    def pause_writing(self) -> None:
        self._resumed = self._host.loop.create_future()
        self._protocol.pause(self._host.now, self._transport.get_write_buffer_size())
        self._follow()

    def resume_writing(self) -> None:
        self._wake()
        self._protocol.resume(self._host.now)
        self._go_on()

    def _wake(self) -> None:
        if self._resumed is not None:
            self._resumed.set_result(None)
            self._resumed = None

    # -- The protocol's wishes ---------------------------------------------------------------------

    def time_out(self) -> None:
        """Handle a deadline that has passed."""
        unread_bytes = self._transport.get_write_buffer_size()
        event = self._protocol.time_out(self._host.now, unread_bytes)
        if event is not None:
            self._host.run(event, self)
        elif unread_bytes and self._protocol.state is State.CLOSED:
            self.abort()  # It does not read its response, and closing would wait for it.
        self._follow()

    def close(self) -> None:
        """End an idle connection."""
        self._protocol.lose()
        self._follow()

    def abort(self) -> None:
        """End the connection at once, whatever is due."""
        self._protocol.lose()
        self._transport.abort()

    def _go_on(self) -> None:
        """Answer the next request, if one has arrived, and do what else the protocol asks for."""
        event = self._protocol.next_event(self._host.now, stopping=self._host.stopping)
        if event is not None:
            self._host.run(event, self)
            return
        if interim := self._protocol.interim():
            self._transport.write(interim)
        self._follow()

    def _follow(self) -> None:
        """Read or don't, and end the connection or don't, as the protocol's state says."""
        protocol = self._protocol
        if protocol.state is State.CLOSED:
            self._transport.close()
            return
        if protocol.state is State.LINGERING:
            self._transport.write_eof()
        if protocol.wants_input is not self._is_reading:
            self._is_reading = not self._is_reading
            if self._is_reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # -- Responses ---------------------------------------------------------------------------------

    def write_response(self, status: str, headers: writer.Headers, body: bytes | None) -> None:
        """Send the head, and the body unless it follows in parts (None)."""
        sent = self._protocol.respond(status, headers, body, date=self._host.date)
        if len(sent) == 1:
            self._transport.write(sent[0])
        elif sent:
            self._transport.writelines(sent)

    def end_response(self) -> None:
        """Run the next request, or end the connection, after a response was sent."""
        if self._protocol.end_response(self._host.now) or not self._is_reading:
            # Not directly: hundreds of requests that never wait would nest too deeply.
            self._host.loop.call_soon(self._go_on)

    def stream(self, parts: Iterable[bytes], *, chunked: bool) -> None:
        """Send a body in parts, no faster than the client reads it. Call it on a thread."""
        for part in parts:
            if part and not self._send_from_thread(writer.chunk(part) if chunked else part):
                return
        if chunked:
            self._send_from_thread(writer.chunk(b""))

    def _send_from_thread(self, data: bytes) -> bool:
        sending = asyncio.run_coroutine_threadsafe(self._send(data), self._host.loop)
        return sending.result()

    async def _send(self, data: bytes) -> bool:
        """Send data. Return whether the client is still there."""
        while self._resumed is not None:
            await self._resumed
        if not self._transport.is_closing():
            self._transport.write(data)
        return not self._transport.is_closing()


def base_environ(transport: asyncio.BaseTransport) -> Environ:
    """Return the part of the environ that is the same for all requests of a connection."""
    host, port = transport.get_extra_info("sockname")[:2]
    peer = transport.get_extra_info("peername") or ("", 0)
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": host.removeprefix(_IPV4_MAPPED),
        "SERVER_PORT": str(port),
        # On a socket for IPv4 and IPv6, a client's IPv4 address has this prefix.
        "REMOTE_ADDR": peer[0].removeprefix(_IPV4_MAPPED),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileBody,
    }
