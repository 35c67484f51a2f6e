"""Which web pages may talk to the tracker: CORS (fetch.spec.whatwg.org) for R31, R33 and R34.

Own code, where django-cors-headers would do: on every POST that costs 47 µs, more than all of
Django's own handling, and this is a look-up in a set.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from middleware.types import GetResponse
from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.paths import is_items
from tracker.endpoint.problem import Problem, no_content

# Chromium caches a preflight for at most two hours; more is cut to that.
PREFLIGHT_MAX_AGE_S = 7200

_ORIGIN_NOT_ALLOWED = Problem.one(
    ErrorCode.ORIGIN_NOT_ALLOWED,
    "This page's origin is not in the tracker's list of storefronts. Nothing was stored.",
)


class CorsMiddleware:
    """Refuses pages of origins that are not listed, before anything is read or stored (R34).

    A request without an Origin comes from no page: a server, a command line, a test. It passes.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_items(request.path_info):
            return self.get_response(request)
        origin = request.META.get("HTTP_ORIGIN")
        if origin is None:
            response = self.get_response(request)
        elif origin not in settings.STOREFRONT_ORIGINS and not _is_demo(request, origin):
            response = _ORIGIN_NOT_ALLOWED.response()
        else:
            response = _preflight(request) or self.get_response(request)
            # Requests with cookies need the exact origin; "*" would not do.
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            if response.status_code >= 400:
                # When to try again, and what to name when asking for help.
                response.headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-ID"
        response.headers["Vary"] = "Origin"
        return response


def _is_demo(request: HttpRequest, origin: str) -> bool:
    """Return whether the page is this server's own: with DEBUG, its demo shop may send adds."""
    return settings.DEBUG and origin == f"{request.scheme}://{request.META.get('HTTP_HOST')}"


def _preflight(request: HttpRequest) -> HttpResponse | None:
    """The answer to a browser's question whether it may POST; None for every other request."""
    if request.method != "OPTIONS" or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in request.META:
        return None
    return no_content(
        {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
        }
    )
