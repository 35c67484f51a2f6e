"""A response in, bytes out: status line, headers, and the framing of the body (RFC 9112)."""

from core.server.http.head import Environ

Headers = list[tuple[str, str]]

_LENGTH = "content-length"
# A body up to this size is sent in one part with its head, which takes less time. A larger one is
# not copied: many connections may share it.
_JOINED_BYTES = 16_384
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def response(
    environ: Environ,
    status: str,
    headers: Headers,
    body: bytes | None,
    *,
    date: str,
    keep_alive: bool,
) -> tuple[bytes, ...]:
    """Return the bytes of a response, in one part or two. If `body` is None, only its head.

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
    if not body or environ["REQUEST_METHOD"] == "HEAD":
        return (head,)
    return (head + body,) if len(body) <= _JOINED_BYTES else (head, body)


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
