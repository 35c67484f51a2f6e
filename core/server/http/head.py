"""Parse the head of a request into a WSGI environ (RFC 9112, sections 2, 3, 5 and 6; PEP 3333).

Strict, so that no proxy in front of it can read another request into the same bytes: lines end with
CRLF only, every line has to match its grammar, and a body has exactly one length.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_to_bytes

from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.problem import Problem

Environ = dict[str, Any]
T = TypeVar("T")

MAX_HEAD_BYTES = 32_768
MAX_FIELDS = 256
DROPPED = ""

HEAD_TOO_LARGE = Problem.one(
    ErrorCode.HEAD_TOO_LARGE,
    f"Request line and headers may have {MAX_HEAD_BYTES} bytes and {MAX_FIELDS} lines at most.",
)

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# Methods are case-sensitive (RFC 9110, section 9.1), but Django would take `post` for POST.
_REQUEST_LINE = re.compile(r'([!#$%&\'*+\-.^_`|~0-9A-Z]+) ([!"$-~]+) HTTP/1\.([0-9])')
_FIELD = re.compile(rf"({_NAME}):([^\x00-\x08\x0a-\x1f\x7f]*)")
# The uri-host of RFC 3986, section 3.2.2, not empty, without a comma: two Host lines are joined
# with one.
_AUTHORITY = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|(?:[\w\-.~!$&'()*+;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?", re.ASCII
)
_ABSOLUTE = re.compile(r"https?://([^/?]*)(/[^?]*)?(\?.*)?", re.IGNORECASE)
_MAX_KEPT = 1024
_MAX_KEPT_CHARACTERS = 256
_MAX_LENGTH_DIGITS = 18


class RefusedError(Exception):
    """A request can't be read. `problem` is what its sender is told."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def malformed(why: str) -> RefusedError:
    """Return the error for bytes that are not HTTP/1.1, with the reason in one sentence."""
    return RefusedError(Problem.one(ErrorCode.MALFORMED_REQUEST, why))


class _RequestLine(NamedTuple):
    method: str
    protocol: str
    path: str
    query: str
    authority: str
    """The host that an absolute-form target names, else ""."""


def parse_head(head: str, base: Environ) -> Environ:
    """Return the environ of a request: `base` and what the head says, without a `wsgi.input`.

    `head` is decoded as Latin-1 and ends before the empty line. Raises RefusedError.
    """
    first, *lines = head.split("\r\n")
    if len(lines) > MAX_FIELDS:
        raise RefusedError(HEAD_TOO_LARGE)
    line = _REQUEST_LINES[first]
    environ = base.copy()
    environ["REQUEST_METHOD"] = line.method
    environ["SERVER_PROTOCOL"] = line.protocol
    environ["PATH_INFO"] = line.path
    environ["QUERY_STRING"] = line.query
    for text in lines:
        key, value = _FIELDS[text]
        if key in environ:
            value = _joined(key, environ[key], value)
        environ[key] = value
    environ.pop(DROPPED, None)
    host = environ.get("HTTP_HOST")
    # A missing Host is allowed in HTTP/1.0 only (RFC 9112, section 3.2).
    if not _is_authority(host) if host is not None else line.protocol != "HTTP/1.0":
        raise malformed("The request must have one Host header with the name of a host.")
    if line.authority:
        environ["HTTP_HOST"] = line.authority  # It replaces the Host (RFC 9112, section 3.2.2).
    return environ


def _joined(key: str, first: str, second: str) -> str:
    """Return the value of a field that is there twice (RFC 9110, section 5.3; RFC 6265)."""
    return f"{first}{'; ' if key == 'HTTP_COOKIE' else ','}{second}"


def _request_line(line: str) -> _RequestLine:
    """Parse a request line. Raises RefusedError."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise malformed("The first line is not a request line of HTTP/1.1.")
    method, target, minor = found.groups()
    authority = ""
    if method == "CONNECT":
        path, query = "/", ""  # Nothing is there for it: this is not a proxy.
        if not _is_authority(target):
            raise malformed("The target of CONNECT must be a host and a port.")
    elif target.startswith("/"):
        path, _, query = target.partition("?")
    elif target == "*" and method == "OPTIONS":
        path, query = "*", ""
    else:
        path, query, authority = _absolute(target)
    if "%" in path:
        path = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    # A higher minor version is served as the highest that we know (RFC 9110, section 2.5).
    protocol = "HTTP/1.0" if minor == "0" else "HTTP/1.1"
    return _RequestLine(method, protocol, path, query, authority)


def _absolute(target: str) -> tuple[str, str, str]:
    """Return path, query and authority of a target in absolute form. Raises RefusedError."""
    found = _ABSOLUTE.fullmatch(target)
    if found is None or not _is_authority(found[1]):
        raise malformed("The request's target must be a path or an http address.")
    return found[2] or "/", (found[3] or "")[1:], found[1]


def parse_field(line: str) -> tuple[str, str]:
    """Return a field's WSGI key and value. The key is DROPPED for a field that must be dropped.

    WSGI spells `-` as `_`, so a field with `_` in its name could pose as one that a proxy controls
    (X_Forwarded_Proto). Other servers drop it, too. Raises RefusedError.
    """
    found = _FIELD.fullmatch(line)
    if found is None:
        raise malformed("A header line is not a name, a colon and a value.")
    name, value = found.groups()
    if "_" in name:
        return DROPPED, ""
    key = name.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    return key, value.strip(" \t")


class _Kept(dict[str, T]):
    """Results of a parser by the text that was parsed.

    The same few lines arrive with nearly every request, and to look one up takes a tenth of the
    time that parsing takes. Clients choose the lines, so only short ones are kept, and all
    are forgotten when there are many.
    """

    def __init__(self, parse: Callable[[str], T]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, text: str) -> T:
        """Parse a text and keep the result. Raises RefusedError."""
        if len(self) >= _MAX_KEPT:
            self.clear()
        result = self._parse(text)
        if len(text) <= _MAX_KEPT_CHARACTERS:
            self[text] = result
        return result


_REQUEST_LINES = _Kept(_request_line)
_FIELDS = _Kept(parse_field)


@lru_cache(maxsize=128)
def _is_authority(text: str) -> bool:
    """Return whether the text is a host with or without a port, and nothing else."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return False
    try:
        return found[1] is None or bool(IPv6Address(found[1]))
    except ValueError:
        return False


def body_length(environ: Environ) -> int | None:
    """Return how many bytes the body has, or None if it is sent in chunks.

    Raises RefusedError if the length is in doubt (RFC 9112, section 6.3): two servers in a row must
    never disagree on where a request ends.
    """
    length, coding = environ.get("CONTENT_LENGTH"), environ.pop("HTTP_TRANSFER_ENCODING", None)
    if coding is not None:
        # Any other coding would reach the application undecoded, and HTTP/1.0 does not know it.
        is_chunked = coding.lower() == "chunked" and environ["SERVER_PROTOCOL"] != "HTTP/1.0"
        if length is not None or not is_chunked:
            raise malformed("The length of the body is in doubt: send Content-Length or chunks.")
        return None
    if length is None:
        return 0
    # Of Latin-1, `isdecimal` accepts the ten ASCII digits alone.
    if not length.isdecimal() or len(length) > _MAX_LENGTH_DIGITS:
        raise malformed("Content-Length must be one decimal number.")
    return int(length)


def keeps_alive(environ: Environ) -> bool:
    """Return whether the client wants the connection to stay open (RFC 9112, section 9.3)."""
    if environ["REQUEST_METHOD"] == "CONNECT":
        return False  # What follows may be meant for the tunnel.
    is_old = environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    options = environ.get("HTTP_CONNECTION")
    if options is None:
        return not is_old
    return not has_option(options, "close") and (not is_old or has_option(options, "keep-alive"))


@lru_cache(maxsize=128)
def has_option(value: str, option: str) -> bool:
    """Return whether a list of options (RFC 9110, section 5.6.1) has this one, in any case."""
    return option in [each.strip(" \t") for each in value.lower().split(",")]


def readable_part(head: str, base: Environ) -> Environ | None:
    """Return what can be read of a head that was refused, or None if not even the target can.

    It is enough to answer in the right form: a shop's script can read an answer only if it names
    the Origin (R33). Whatever is wrong elsewhere in the head is skipped.
    """
    first, *lines = head.split("\r\n")
    parts = first.split(" ")
    if len(parts) < 2 or not (first.isprintable() or first.isascii()):
        return None
    environ = base.copy()
    environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"] = parts[0], "HTTP/1.1"
    environ["PATH_INFO"], _, environ["QUERY_STRING"] = parts[1].partition("?")
    for text in lines[:MAX_FIELDS]:
        with suppress(RefusedError):
            key, value = parse_field(text)
            environ[key] = _joined(key, environ[key], value) if key in environ else value
    environ.pop(DROPPED, None)
    return environ
