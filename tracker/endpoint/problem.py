"""A refused request, in the form of RFC 9457."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from django.dispatch import Signal
from django.http import HttpResponse

from tracker.endpoint.error_codes import ErrorCode

CONTENT_TYPE = "application/problem+json"


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


# Sent with `request`, `response` and `request_id` for each request below /items that was refused or
# failed, after `refused` (middleware/problem.py), and on the same thread.
request_refused = Signal()
