"""Parse bytes into WSGI environs (PEP 3333), within limits."""

from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

from tracker.endpoint.body import MAX_BODY_BYTES, BodyError, body_too_large
from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.paths import is_items
from tracker.endpoint.problem import Problem

Environ = dict[str, Any]

MAX_HEAD_BYTES = 32_768
_CACHED_HEADER_NAMES = 512


class StopParsingError(Exception):
    """Raised in the parser's callbacks to stop it: the rest of the data is ignored."""


class RequestReader:
    """Read the requests of one connection.

    Call `on_request(environ, keep_alive)` for each complete request, and `on_fault(problem)` for
    one that breaks a limit or the protocol. After a fault, do not feed it again.
    """

    __slots__ = (
        "_base",
        "_begun",
        "_body",
        "_body_bytes",
        "_head_bytes",
        "_max_body_bytes",
        "_max_upload_bytes",
        "_on_continue",
        "_on_fault",
        "_on_progress",
        "_on_request",
        "_parser",
        "_target",
        "_unfinished_bytes",
        "environ",
        "in_body",
    )

    def __init__(
        self,
        base: Environ,
        *,
        max_upload_bytes: int,
        on_request: Callable[[Environ, bool], None],
        on_fault: Callable[[Problem], None],
        on_progress: Callable[[], None],
        on_continue: Callable[[], None],
    ) -> None:
        self._base = base
        self._max_upload_bytes = max_upload_bytes
        self._on_request = on_request
        self._on_fault = on_fault
        self._on_progress = on_progress
        self._on_continue = on_continue
        self._parser = httptools.HttpRequestParser(self)
        self._head_bytes = self._body_bytes = self._begun = 0
        self.environ: Environ | None = None
        """The request that is arriving, or None between two requests."""
        self.in_body = False
        """Whether its head is complete, so that the application can be asked about it."""

    def feed(self, data: bytes) -> None:
        """Parse what has arrived. The callbacks run inside this call."""
        is_first, begun, body_bytes = self.environ is None, self._begun, self._body_bytes
        unread = self._parse(data)
        if unread is not None:
            self._read_on(unread)
        elif self.environ is not None and self._begun == begun + is_first:
            # All of it belongs to this one request. The parser does not report an unfinished
            # header, so data without a body counts as head.
            if self.in_body if is_first else self._body_bytes != body_bytes:
                return
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > MAX_HEAD_BYTES:
                self._on_fault(HEAD_TOO_LARGE)

    def _parse(self, data: bytes) -> bytes | None:
        """Parse data. Return what the parser leaves to another protocol, if one seems to begin."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, StopParsingError):
                raise
        except httptools.HttpParserError:
            self._on_fault(MALFORMED)
        return None

    # -- llhttp's callbacks, in their order --------------------------------------------------------

    def on_message_begin(self) -> None:
        self.environ = self._base.copy()
        self._target = b""
        self._head_bytes = self._unfinished_bytes = 0
        self._begun += 1
        self._on_progress()

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + 4)
        if self.in_body:
            return  # A trailer must not pose as a header (RFC 9110, section 6.5.1).
        key = _ENVIRON_KEYS.get(name) or _environ_key(name)
        if not key:
            return
        environ = self._arriving()
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text

    def on_headers_complete(self) -> None:
        environ, version = self._arriving(), self._parser.get_http_version()
        path, query = _split_target(self._target)
        environ["SERVER_PROTOCOL"] = f"HTTP/{version}"
        environ["REQUEST_METHOD"] = self._parser.get_method().decode("ascii")
        environ["PATH_INFO"], environ["QUERY_STRING"] = path, query
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._max_body_bytes = MAX_BODY_BYTES if is_items(path) else self._max_upload_bytes
        if not _is_served(version, environ):
            self._fail(MALFORMED)
        self.in_body = True
        self._on_progress()
        if int(environ.get("CONTENT_LENGTH") or 0) > self._max_body_bytes:
            self._fail(body_too_large(self._max_body_bytes))
        if environ.pop("HTTP_EXPECT", "").lower() == "100-continue" and version == "1.1":
            self._on_continue()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._max_body_bytes:
            self._fail(body_too_large(self._max_body_bytes))
        self._body.append(body)

    def on_message_complete(self) -> None:
        environ = self._arriving()
        if self._parser.should_upgrade() and _has_body(environ):
            return  # The parser stops here, before the body; `_read_on` gets it.
        if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:
            environ["CONTENT_LENGTH"] = str(self._body_bytes)
        environ["wsgi.input"] = BytesIO(b"".join(self._body))
        keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self.environ, self.in_body = None, False
        self._on_request(environ, keep_alive)
        if not keep_alive:
            raise StopParsingError

    def _read_on(self, data: bytes) -> None:
        """Read the body of a request that asks for another protocol.

        The request is answered as if it had not asked (RFC 9110, section 7.8). Java's client asks
        for h2c with every POST, and llhttp leaves the body to that protocol.
        """
        environ = self._arriving()
        lines = ["POST / HTTP/1.1", "Connection: close"]
        if "CONTENT_LENGTH" in environ:
            lines.append(f"Content-Length: {environ['CONTENT_LENGTH']}")
        if "HTTP_TRANSFER_ENCODING" in environ:
            lines.append("Transfer-Encoding: chunked")
        callbacks = SimpleNamespace(
            on_header=self.on_header,  # For trailers: the limit holds for them, too.
            on_body=self.on_body,
            on_message_complete=self.on_message_complete,
        )
        self._parser = httptools.HttpRequestParser(callbacks)
        self.feed("\r\n".join([*lines, "", ""]).encode("latin-1") + data)

    # -- Limits ------------------------------------------------------------------------------------

    def _arriving(self) -> Environ:
        if self.environ is None:  # Never: llhttp calls back in order.
            raise StopParsingError
        return self.environ

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail(HEAD_TOO_LARGE)

    def _fail(self, problem: Problem) -> None:
        self._on_fault(problem)
        raise StopParsingError


class FailedBody(BytesIO):
    """The input of a request whose body did not arrive. Reading it raises the reason."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem

    def read(self, size: int | None = -1) -> bytes:
        raise BodyError(self.problem)

    readline = read


def _is_served(version: str, environ: Environ) -> bool:
    """Return whether this server supports the version, the host and the transfer coding."""
    return (
        (version == "1.0" or (version == "1.1" and "HTTP_HOST" in environ))
        and "," not in environ.get("HTTP_HOST", "")  # Two of them (RFC 9112, section 3.2).
        # Any other coding would reach the application undecoded.
        and environ.get("HTTP_TRANSFER_ENCODING", "chunked").lower() == "chunked"
    )


def _has_body(environ: Environ) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") != "0"


MALFORMED = Problem.one(ErrorCode.MALFORMED_REQUEST, "This is not a valid HTTP/1.1 request.")
HEAD_TOO_LARGE = Problem.one(
    ErrorCode.HEAD_TOO_LARGE, f"Request line and headers may have {MAX_HEAD_BYTES} bytes at most."
)
HEAD_TIMEOUT = Problem.one(ErrorCode.HEAD_TIMEOUT, "The request's headers did not arrive in time.")

# Header names and their WSGI spelling. Bounded, because clients choose the names.
_ENVIRON_KEYS: dict[bytes, str] = {}


def _environ_key(name: bytes) -> str:
    """Return a header's WSGI name, or "" for a header that must be dropped.

    WSGI spells `-` as `_`, so a header with `_` could pose as one that a proxy controls
    (X_Forwarded_Proto). Other servers drop it, too.
    """
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    if len(_ENVIRON_KEYS) < _CACHED_HEADER_NAMES:
        _ENVIRON_KEYS[name] = key
    return key


def _split_target(target: bytes) -> tuple[str, str]:
    """Return path and query of a request target in any of its forms (RFC 9112, section 3.2)."""
    if not target.startswith(b"/"):
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            return "", ""
        target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
    path, _, query = target.partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("latin-1"), query.decode("latin-1")
