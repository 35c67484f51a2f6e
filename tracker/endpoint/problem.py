"""Answers without a cart id: refusals in the form of RFC 9457, and 204."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from django.dispatch import Signal
from django.http import HttpResponse

from tracker.counters import REFUSED
from tracker.endpoint.error_codes import ErrorCode

CONTENT_TYPE = "application/problem+json"

# RFC 9110's phrase. Python has it only from 3.13 on.
_PHRASES = {413: "Content Too Large"}

# Sent with `problem` whenever a problem becomes an answer.
refused = Signal()
# Sent after it, on the same thread, with `request`, `response` and `request_id`, for each request
# below /items that was refused or failed (middleware/access.py).
request_refused = Signal()


class Fault(NamedTuple):
    """One thing that is wrong with a request.

    `pointer` is a JSON pointer (RFC 6901) to the member; "" means the whole. `detail` is the
    sentence for the sender.
    """

    pointer: str
    code: ErrorCode
    detail: str


class Problem(Exception):
    """A refused request, with all that its sender needs to correct it.

    The status is that of the first fault's code, unless `status` overrides it.
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
        """Turn a response into this problem, and return it. Its headers and cookies stay."""
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
        for fault in self.faults:
            REFUSED.labels(fault.code).inc()
        refused.send(sender=Problem, problem=self)
        return response

    def response(self) -> HttpResponse:
        return self.write_to(HttpResponse())


def no_content(headers: dict[str, str]) -> HttpResponse:
    """Return a 204 with these headers and without a content type."""
    response = HttpResponse(status=204, headers=headers)
    del response.headers["Content-Type"]
    return response
