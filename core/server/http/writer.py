"""A response in, bytes out: status line, headers, and the framing of the body (RFC 9112)."""

from collections.abc import Iterator
from typing import Protocol

from core.server.http.head import Environ

Headers = list[tuple[str, str]]

_LENGTH = "content-length"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class File(Protocol):
    """What an application may send as a body: an open file, or something like it."""

    def read(self, size: int = ..., /) -> bytes: ...

    def close(self) -> None: ...


class FileBody:
    """The body of a response that is a file: `wsgi.file_wrapper` of PEP 3333.

    Without it, an application reads the file in small pieces, and for each of them gives up and
    takes back the interpreter's lock.
    """

    def __init__(self, file: File, block_size: int = 65_536) -> None:
        self._file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(self._block_size), b"")

    def read(self) -> bytes:
        """Return all of it."""
        return self._file.read()

    def close(self) -> None:
        """End the response. The application adds its own end of the request to this."""
        self._file.close()


def response(
    environ: Environ,
    status: str,
    headers: Headers,
    body: bytes | None,
    *,
    date: str,
    keep_alive: bool,
) -> bytes:
    """Return the bytes of a response. If `body` is None, everything before its parts.

    `environ` is that of the request, `date` the value of the Date header.
    """
    if not has_body(status):
        # RFC 9110, section 8.6: none with 204; with 304 it would be the length of a 200.
        headers = [each for each in headers if each[0].lower() != _LENGTH]
        body = b""
    lines = [f"HTTP/1.1 {status}\r\nDate: {date}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    if has_body(status) and not has_length(headers):
        if body is not None:
            lines.append(f"Content-Length: {len(body)}\r\n")
        elif is_chunked(environ, headers):
            lines.append("Transfer-Encoding: chunked\r\n")
    if not keep_alive:
        lines.append("Connection: close\r\n")
    elif environ["SERVER_PROTOCOL"] == "HTTP/1.0":
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    head = "".join(lines).encode("latin-1")
    return head + body if body and environ["REQUEST_METHOD"] != "HEAD" else head


def has_body(status: str) -> bool:
    return status[:3] not in ("204", "304")


def sends_body(environ: Environ, status: str) -> bool:
    """Return whether this client gets the body. HEAD asks only for the headers."""
    return has_body(status) and environ["REQUEST_METHOD"] != "HEAD"


def is_chunked(environ: Environ, headers: Headers) -> bool:
    """Return whether a body in parts is sent in chunks: length unknown, and HTTP/1.1."""
    return environ["SERVER_PROTOCOL"] != "HTTP/1.0" and not has_length(headers)


def has_visible_end(environ: Environ, headers: Headers) -> bool:
    """Return whether a client notices the end of a body without the end of the connection."""
    return environ["SERVER_PROTOCOL"] != "HTTP/1.0" or has_length(headers)


def chunk(part: bytes) -> bytes:
    """Return a part of a chunked body. An empty part is its end."""
    return b"%x\r\n%b\r\n" % (len(part), part)


def has_length(headers: Headers) -> bool:
    return _LENGTH in [name.lower() for name, _ in headers]
