"""The body of a request: read once, within limits, and decoded once (R10, R14-R16)."""

from typing import Any

import msgspec
from django.http import HttpRequest

from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.problem import Problem

MAX_BODY_BYTES = 16_384

_decode = msgspec.json.Decoder().decode


class BodyError(OSError):
    """Reading a body failed for a reason that its sender can be told. Raised by the server."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.faults[0].detail)
        self.problem = problem


def body_too_large(max_bytes: int = MAX_BODY_BYTES) -> Problem:
    return Problem.one(ErrorCode.BODY_TOO_LARGE, f"A body may have {max_bytes} bytes at most.")


def body_timeout() -> Problem:
    return Problem.one(ErrorCode.BODY_TIMEOUT, "The body did not arrive in time.")


def body_incomplete() -> Problem:
    return Problem.one(ErrorCode.BODY_INCOMPLETE, "The body ended before its announced length.")


def json_body(request: HttpRequest) -> Any:
    """The decoded body: a JSON value of any kind, the same object at every call.

    Raises Problem: 415 for another content type or a content encoding, 413, 408 and 400 for a body
    that is too large, too slow or cut off, and 400 for one that is not JSON. The same each time.
    """
    cached: tuple[Any, Problem | None] | None = request.__dict__.get("_json_body")
    if cached is None:
        try:
            cached = (_parse(request), None)
        except Problem as refused:
            cached = (None, refused)
        request.__dict__["_json_body"] = cached
    value, problem = cached
    if problem is not None:
        raise problem
    return value


def parsed_body(request: HttpRequest) -> Any:
    """What `json_body` has decoded; None if it was not asked, or could not. Reads nothing."""
    value, _ = request.__dict__.get("_json_body", (None, None))
    return value


def _parse(request: HttpRequest) -> Any:
    _require_json(request)
    try:
        return _decode(_read(request))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        # R15, and why the list is this long: bytes that are not UTF-8 come as UnicodeDecodeError,
        # deep nesting as RecursionError, all the rest as the decoder's own errors.
        raise Problem.one(
            ErrorCode.MALFORMED_JSON, "The body is not one valid JSON text in UTF-8."
        ) from None


def _require_json(request: HttpRequest) -> None:
    """R10: JSON under its own name, a `+json` name, or what browsers send without a preflight."""
    meta = request.META
    kind = meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if not (kind in ("application/json", "text/plain", "") or _is_structured_json(kind)):
        raise Problem.one(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "Send JSON, with the content type application/json or text/plain.",
            headers={"Accept": "application/json"},
        )
    if meta.get("HTTP_CONTENT_ENCODING"):
        raise Problem.one(
            ErrorCode.UNSUPPORTED_CONTENT_ENCODING,
            "Send the body as it is, without a Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )


def _is_structured_json(kind: str) -> bool:
    major, slash, minor = kind.partition("/")
    return bool(major and slash and minor.endswith("+json") and len(minor) > len("+json"))


def _read(request: HttpRequest) -> bytes:
    """The whole body; one that is known to be too large is not read at all (R16).

    Django's `request.body` takes longer (docs/performance.md). Django takes a body without an
    announced length for empty: a chunked one, from a WSGI server that ends the stream by itself.
    """
    meta = request.META
    announced = meta.get("CONTENT_LENGTH") or ""
    length = _length(announced) if announced else 0
    if length > MAX_BODY_BYTES:
        raise body_too_large()
    try:
        if announced:
            body: bytes = request.read(length)
        elif meta.get("wsgi.input_terminated"):
            body = meta["wsgi.input"].read(MAX_BODY_BYTES + 1)
        else:
            body = b""
    except BodyError as error:
        raise error.problem from None
    except (ValueError, OSError):
        raise body_incomplete() from None
    if len(body) < length:
        raise body_incomplete()
    if len(body) > MAX_BODY_BYTES:
        raise body_too_large()
    return body


def _length(announced: str) -> int:
    """A Content-Length is digits alone (RFC 9110, section 8.6); `int` would take +5 and 1_000."""
    if not (announced.isascii() and announced.isdigit()):
        raise Problem.one(ErrorCode.MALFORMED_REQUEST, "Content-Length must be a decimal number.")
    return int(announced)
