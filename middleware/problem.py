"""Refusals, in the form of RFC 9457, and the promise that there is no other form (R31)."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from django.core.exceptions import DisallowedHost
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse

from middleware.error_codes import ErrorCode

CONTENT_TYPE = "application/problem+json"
ITEMS_PREFIX = "/items"
MAX_KNOWN_HOSTS = 100  # A pattern like .shop.example allows any number.

GetResponse = Callable[[HttpRequest], HttpResponse]


# RFC 9110's phrase, which Python knows from 3.13 on only.
_PHRASES = {413: "Content Too Large"}


# Sent with `problem` whenever one becomes an answer: what wants to count refusals listens here.
refused = Signal()


class Fault(NamedTuple):
    """One thing that is wrong: where (a JSON pointer, RFC 6901; "" is the whole), and what.

    `detail` is the sentence for the sender of this one request.
    """

    pointer: str
    code: ErrorCode
    detail: str


class Problem(Exception):
    """A request that is refused, with everything that its sender needs to mend it.

    The status is that of the first fault's code, unless `status` says another.
    """

    def __init__(
        self,
        faults: Iterable[Fault],
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.faults = list(faults)
        self.status = HTTPStatus(status or self.faults[0].code.status)
        self.headers = headers or {}
        super().__init__(self.status.value)

    @classmethod
    def one(
        cls,
        code: ErrorCode,
        detail: str,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> "Problem":
        """Return a problem with the request as a whole."""
        return cls([Fault("", code, detail)], status=status, headers=headers)

    def write_to(self, response: HttpResponse) -> HttpResponse:
        """Turn a response into this problem; headers and cookies that it has already are kept."""
        status = self.status.value
        response.status_code = status
        response.content = msgspec.json.encode(
            {
                "type": "about:blank",
                "title": _PHRASES.get(status, self.status.phrase),
                "status": status,
                "detail": " ".join(fault.detail for fault in self.faults),
                "errors": [fault._asdict() for fault in self.faults],
            }
        )
        response.headers["Content-Type"] = CONTENT_TYPE
        response.headers["Cache-Control"] = "no-store"
        for name, value in self.headers.items():
            response.headers[name] = value
        response.problem = self  # type: ignore[attr-defined]
        refused.send(sender=Problem, problem=self)
        return response

    def response(self) -> HttpResponse:
        return self.write_to(HttpResponse())


def no_content(headers: dict[str, str]) -> HttpResponse:
    """204: nothing but headers, and no content type for what is not there."""
    response = HttpResponse(status=204, headers=headers)
    del response.headers["Content-Type"]
    return response


def is_items(path: str) -> bool:
    """Whether this is the storefront's endpoint, or an address below it that does not exist."""
    return path == ITEMS_PREFIX or path.startswith(ITEMS_PREFIX + "/")


class ProblemMiddleware:
    """Refuses foreign hosts below /items, and lets no other form of error out (R31)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._allowed: set[str | None] = set()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_items(request.path_info):
            return self.get_response(request)
        if not self._is_allowed(request):
            return _HOST_NOT_ALLOWED.response()
        response = self.get_response(request)
        if response.status_code >= 400 and response.headers.get("Content-Type") != CONTENT_TYPE:
            # Django's own answer to an exception or an unknown address; with DEBUG a whole page.
            return _from_status(response.status_code).write_to(response)
        return response

    def _is_allowed(self, request: HttpRequest) -> bool:
        """Whether Django would take the host; asked once for each, because asking costs 5 µs."""
        host = request.META.get("HTTP_HOST")
        if host in self._allowed:
            return True
        try:
            request.get_host()
        except DisallowedHost:
            return False
        if len(self._allowed) < MAX_KNOWN_HOSTS:
            self._allowed.add(host)
        return True


_HOST_NOT_ALLOWED = Problem.one(
    ErrorCode.HOST_NOT_ALLOWED,
    "The Host header names no host that this service answers for.",
)


def _from_status(status: int) -> Problem:
    if status == 404:
        return Problem.one(ErrorCode.NOT_FOUND, "There is nothing at this address. Use /items.")
    if status >= 500:
        return Problem.one(
            ErrorCode.INTERNAL_ERROR,
            "The service failed. Send it again: that does no harm.",
            status=status,
        )
    return Problem.one(ErrorCode.BAD_REQUEST, "The request can't be understood.", status=status)
