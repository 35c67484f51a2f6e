"""The body of a request: read once within limits, decoded once (R10, R14-R16)."""

from io import BytesIO
from typing import Any

import msgspec
from django.http import HttpRequest

from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.problem import Problem

MAX_BODY_BYTES = 16_384

_decode = msgspec.json.Decoder().decode


class BodyError(OSError):
    """Reading a body failed. `problem` is what its sender is told."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.faults[0].detail)
        self.problem = problem


class FailedBody(BytesIO):
    """The input of a request whose body did not arrive. Reading it raises the reason."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem

    def read(self, size: int | None = -1) -> bytes:
        raise BodyError(self.problem)

    readline = read


def body_too_large(max_bytes: int = MAX_BODY_BYTES) -> Problem:
    return Problem.one(ErrorCode.BODY_TOO_LARGE, f"A body may have {max_bytes} bytes at most.")


def body_timeout() -> Problem:
    return Problem.one(ErrorCode.BODY_TIMEOUT, "The body did not arrive in time.")


def body_incomplete() -> Problem:
    return Problem.one(ErrorCode.BODY_INCOMPLETE, "The body ended before its announced length.")


def json_body(request: HttpRequest) -> Any:
    """Return the decoded body: a JSON value of any kind, the same object at every call.

    Raises Problem, the same at every call: 415 for another content type or a content encoding; 413,
    408 and 400 for a body that is too large, too slow or cut off; 400 for one that is not JSON.
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
    """Return what `json_body` has decoded, or None if it was not called or failed."""
    value, _ = request.__dict__.get("_json_body", (None, None))
    return value


def _parse(request: HttpRequest) -> Any:
    _require_json(request)
    try:
        return _decode(_read(request))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        # R15. Bytes that are not UTF-8 raise UnicodeDecodeError, deep nesting RecursionError, all
        # else the decoder's own errors.
        raise Problem.one(
            ErrorCode.MALFORMED_JSON, "The body is not one valid JSON text in UTF-8."
        ) from None


def _require_json(request: HttpRequest) -> None:
    """Check R10: JSON, a `+json` type, or what browsers send without a preflight.

    Raises Problem (415).
    """
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
    """Read the whole body. One that is announced as too large is not read at all (R16).

    Django's `request.body` takes longer (docs/performance.md). Besides, Django treats a body
    without an announced length as empty, also a chunked one whose end the WSGI server marks.
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
    """Parse a Content-Length, which is digits only (RFC 9110, section 8.6); `int` accepts +5."""
    if not (announced.isascii() and announced.isdigit()):
        raise Problem.one(ErrorCode.MALFORMED_REQUEST, "Content-Length must be a decimal number.")
    return int(announced)
