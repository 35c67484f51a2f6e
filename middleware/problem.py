"""Keep the promise that every error below /items has the form of RFC 9457 (R31)."""

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from middleware.types import GetResponse
from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.paths import is_items
from tracker.endpoint.problem import CONTENT_TYPE, Problem

MAX_KNOWN_HOSTS = 100  # A pattern like .shop.example allows any number.


class ProblemMiddleware:
    """Refuse unknown hosts below /items, and turn every other error into a problem (R31)."""

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
            # Django's own answer to an exception or an unknown path; with DEBUG an HTML page.
            return _from_status(response.status_code).write_to(response)
        return response

    def _is_allowed(self, request: HttpRequest) -> bool:
        """Return whether Django accepts the host. Django is asked once for each: it takes long."""
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
