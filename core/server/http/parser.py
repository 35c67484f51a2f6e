"""Bytes in, events out: read the requests of one connection, within limits. No I/O."""

import re
from enum import Enum, auto
from io import BytesIO
from typing import NamedTuple

from core.server.http.bodies import ChunkedBody, SizedBody
from core.server.http.head import (
    HEAD_TOO_LARGE,
    MAX_HEAD_BYTES,
    Environ,
    RefusedError,
    body_length,
    has_option,
    keeps_alive,
    malformed,
    parse_head,
    readable_part,
)
from tracker.endpoint.body import MAX_BODY_BYTES, body_incomplete, body_too_large
from tracker.endpoint.paths import is_items
from tracker.endpoint.problem import Problem

# An empty line ends a head, also if a line end is LF alone. Then the head is refused, but at once.
_BARE_END = re.compile(rb"\n\r?\n")
# What can't be in a request line: TLS and other protocols need not wait for the end of their head.
_NOT_TEXT = re.compile(rb"[^\n]*?[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")


class Phase(Enum):
    """What the next byte belongs to."""

    IDLE = auto()
    """No request: none has begun, or the last one is complete."""
    HEAD = auto()
    BODY = auto()
    ENDED = auto()
    """Nothing: after a fault, a request that ends the connection, or the end of the input."""


class Request(NamedTuple):
    """A complete request."""

    environ: Environ
    keep_alive: bool
    """Whether the connection may stay open after the response."""


class Fault(NamedTuple):
    """A request that can't be read, or not to its end. No other event follows it."""

    problem: Problem
    environ: Environ | None
    """The environ if the head is complete, else what can be read of it; None without a target."""
    in_body: bool
    """Whether the head is complete."""


Event = Request | Fault


class RequestParser:
    """Read the requests of one connection, one at a time.

    Call `receive` with what arrives, then `next_event` until it returns None. How the bytes are cut
    into pieces makes no difference. Bytes behind a complete request are kept until the next call of
    `next_event`, so the caller decides how much is read ahead; see `buffered`.
    """

    __slots__ = (
        "_base",
        "_body",
        "_buffer",
        "_eof",
        "_length",
        "_max_upload_bytes",
        "_request",
        "_skipped",
        "_start",
        "phase",
    )

    def __init__(self, base: Environ, *, max_upload_bytes: int) -> None:
        """Begin a connection. `base` is the part of the environs that all its requests share.

        A body may have MAX_BODY_BYTES for the storefront's endpoint, else `max_upload_bytes`.
        """
        self._base = base
        self._max_upload_bytes = max_upload_bytes
        self._buffer = b""
        self._start = 0  # Of what is not used yet.
        self._skipped = 0  # Empty lines before the request, in bytes.
        self._eof = False
        self._body: SizedBody | ChunkedBody | None = None
        self.phase = Phase.IDLE

    @property
    def buffered(self) -> int:
        """How many bytes have arrived and are not used yet."""
        return len(self._buffer) - self._start

    def receive(self, data: bytes) -> None:
        """Take what has arrived. After the end it is dropped."""
        if self.phase is Phase.ENDED:
            return
        if self._start == len(self._buffer):
            self._buffer = data
        else:
            self._buffer = self._buffer[self._start :] + data
        self._start = 0

    def receive_eof(self) -> None:
        """Take the end of the input. What has arrived before it is still read."""
        self._eof = True

    def next_event(self) -> Event | None:
        """Return the next request or fault, or None if more must arrive first."""
        if self.phase is Phase.ENDED:
            return None
        try:
            event = self._read_request()
        except RefusedError as error:
            return self.fail(error.problem)
        if event is None:
            return self._end() if self._eof else None
        self.phase = Phase.IDLE
        self._skipped = 0
        if not event.keep_alive:
            self._drop()
        return event

    def fail(self, problem: Problem) -> Fault:
        """End the input, and return the fault of the request that was arriving."""
        in_body = self.phase is Phase.BODY
        environ = self._request.environ if in_body else self._readable_head()
        self._drop()
        return Fault(problem, environ, in_body)

    def take_continue(self) -> bool:
        """Return whether 100 Continue should be sent now (RFC 9110, section 10.1.1), only once.

        A client that has sent some of the body already does not wait for it.
        """
        if self.phase is not Phase.BODY or self.buffered or (self._body and self._body.data):
            return False
        environ = self._request.environ
        expected = has_option(environ.pop("HTTP_EXPECT", ""), "100-continue")
        return expected and environ["SERVER_PROTOCOL"] != "HTTP/1.0"

    def _end(self) -> Fault | None:
        """Return the fault of a request that the end of the input has cut off, if there is one."""
        if self.phase is Phase.BODY:
            return self.fail(body_incomplete())
        if self.phase is Phase.HEAD:
            return self.fail(malformed("The request ended within its headers.").problem)
        self._drop()
        return None

    def _drop(self) -> None:
        self.phase = Phase.ENDED
        self._buffer, self._start = b"", 0

    def _read_request(self) -> Request | None:
        if self.phase is not Phase.BODY and not self._read_head():
            return None
        return self._read_body()

    # -- The head ----------------------------------------------------------------------------------

    def _read_head(self) -> bool:
        """Read a head. Return whether it is complete."""
        buffer, start = self._buffer, self._start
        while buffer.startswith(b"\r\n", start):  # RFC 9112, section 2.2.
            start += 2
            self._skipped += 2
        self._start = start
        if self._skipped > MAX_HEAD_BYTES:
            raise RefusedError(HEAD_TOO_LARGE)
        end = buffer.find(b"\r\n\r\n", start, start + MAX_HEAD_BYTES)
        if end < 0:
            self._check_partial_head()
            return False
        self.phase = Phase.HEAD
        try:
            environ = parse_head(buffer[start:end].decode("latin-1"), self._base)
        except RefusedError:
            self._check_lines(end)
            raise
        self._length = body_length(environ)
        self._request = Request(environ, keeps_alive(environ))
        self._start = end + 4
        self.phase = Phase.BODY
        max_bytes = MAX_BODY_BYTES if is_items(environ["PATH_INFO"]) else self._max_upload_bytes
        if self._length is None:
            self._body = ChunkedBody(max_bytes)
        elif self._length > max_bytes:
            raise RefusedError(body_too_large(max_bytes))
        else:
            self._body = None
        return True

    def _check_partial_head(self) -> None:
        """Check what is here of a head. Raises RefusedError if it can't become a valid one."""
        buffer, start = self._buffer, self._start
        size = len(buffer) - start
        self.phase = Phase.HEAD if size else Phase.IDLE
        self._check_lines(start + MAX_HEAD_BYTES)
        if size >= MAX_HEAD_BYTES:
            raise RefusedError(HEAD_TOO_LARGE)

    def _check_lines(self, end: int) -> None:
        """Raise RefusedError for what can be told before a head is complete."""
        if _NOT_TEXT.match(self._buffer, self._start) or _BARE_END.search(
            self._buffer, self._start, end
        ):
            raise malformed("The request is not HTTP/1.1, or its lines do not end with CR and LF.")

    def _readable_head(self) -> Environ | None:
        """Return what can be read of the head that was arriving.

        It must not depend on how much has arrived behind the fault.
        """
        head = self._buffer[self._start : self._start + MAX_HEAD_BYTES]
        if _NOT_TEXT.match(head):
            return None
        end = _BARE_END.search(head)
        whole_lines = head[: end.start()].rstrip(b"\r") if end else head.rpartition(b"\r\n")[0]
        return readable_part(whole_lines.decode("latin-1"), self._base)

    # -- The body ----------------------------------------------------------------------------------

    def _read_body(self) -> Request | None:
        """Read a body. Return the complete request, or None if some of it is missing."""
        environ, body, start = self._request.environ, self._body, self._start
        if body is None:
            end = start + (self._length or 0)
            if end <= len(self._buffer):  # All of it arrived at once: it is not copied twice.
                environ["wsgi.input"] = BytesIO(self._buffer[start:end])
                self._start = end
                return self._request
            body = self._body = SizedBody(self._length or 0)
        self._start = body.read(self._buffer, start)
        if not body.is_complete:
            return None
        environ["CONTENT_LENGTH"] = str(len(body.data))
        environ["wsgi.input"] = BytesIO(body.data)
        self._body = None
        return self._request
