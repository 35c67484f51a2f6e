"""The bytes of a response (RFC 9112): status line, headers, and the framing of the body."""

from collections.abc import Iterable

from core.server.parser import Environ

Headers = Iterable[tuple[str, str]]


def head(
    environ: Environ,
    status: str,
    headers: list[tuple[str, str]],
    *,
    length: int | None,
    date: str,
    keep_alive: bool,
) -> bytes:
    """Return everything before the body. `length` is the body's in bytes, None for parts."""
    lines = [f"HTTP/1.1 {status}\r\nDate: {date}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    if has_body(status):
        if length is None and is_chunked(environ, headers):
            lines.append("Transfer-Encoding: chunked\r\n")
        elif length is not None and not _has_length(headers):
            lines.append(f"Content-Length: {length}\r\n")
    if not keep_alive:
        lines.append("Connection: close\r\n")
    elif environ["SERVER_PROTOCOL"] == "HTTP/1.0":
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


def has_body(status: str) -> bool:
    return not status.startswith(("204", "304"))


def sends_body(environ: Environ, status: str) -> bool:
    """Return whether this client gets the body. HEAD asks only for the headers."""
    return has_body(status) and environ["REQUEST_METHOD"] != "HEAD"


def is_chunked(environ: Environ, headers: Headers) -> bool:
    """Return whether a body in parts is sent in chunks: length unknown, and HTTP/1.1."""
    return environ["SERVER_PROTOCOL"] != "HTTP/1.0" and not _has_length(headers)


def has_visible_end(environ: Environ, headers: Headers) -> bool:
    """Return whether a client notices the end of a body without the end of the connection."""
    return environ["SERVER_PROTOCOL"] != "HTTP/1.0" or _has_length(headers)


def chunk(part: bytes) -> bytes:
    """Return a part of a chunked body. An empty part is its end."""
    return b"%x\r\n%b\r\n" % (len(part), part)


def _has_length(headers: Headers) -> bool:
    return any(name == "Content-Length" for name, _ in headers)
