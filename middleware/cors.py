"""CORS (fetch.spec.whatwg.org): which web pages may call the tracker (R31, R33, R34).

django-cors-headers would do the same, but takes longer than all of Django's own handling of a POST
(docs/performance.md). This is a look-up in a set.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from middleware.types import GetResponse
from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.paths import is_items
from tracker.endpoint.problem import Problem, no_content

# Chromium caches a preflight for two hours at most.
PREFLIGHT_MAX_AGE_S = 7200

_ORIGIN_NOT_ALLOWED = Problem.one(
    ErrorCode.ORIGIN_NOT_ALLOWED,
    "This page's origin is not in the tracker's list of storefronts. Nothing was stored.",
)


class CorsMiddleware:
    """Refuse pages of origins that are not listed, before anything is read or stored (R34).

    A request without an Origin does not come from a page, but from a server or a command line. It
    passes.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_items(request.path_info):
            return self.get_response(request)
        origin = request.META.get("HTTP_ORIGIN")
        if origin is None:
            response = self.get_response(request)
        elif not _is_allowed(request, origin):
            response = _ORIGIN_NOT_ALLOWED.response()
        else:
            response = _preflight(request) or self.get_response(request)
            _let_page_read(response, origin)
        response.headers["Vary"] = "Origin"
        return response


def with_cors_headers(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Let the page that sent a request below /items read the response, if its origin is listed."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None and _is_allowed(request, origin):
        _let_page_read(response, origin)
    response.headers["Vary"] = "Origin"
    return response


def _let_page_read(response: HttpResponse, origin: str) -> None:
    # Requests with cookies need the exact origin: "*" is not enough.
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    if response.status_code >= 400:
        # When to try again, and what to name when asking for help.
        response.headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-ID"


def _is_allowed(request: HttpRequest, origin: str) -> bool:
    return origin in settings.STOREFRONT_ORIGINS or _is_demo(request, origin)


def _is_demo(request: HttpRequest, origin: str) -> bool:
    """Return whether the page is the demo shop of this server, which may send adds with DEBUG."""
    return settings.DEBUG and origin == f"{request.scheme}://{request.META.get('HTTP_HOST')}"


def _preflight(request: HttpRequest) -> HttpResponse | None:
    """Answer a browser that asks whether it may POST. Return None for every other request."""
    if request.method != "OPTIONS" or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in request.META:
        return None
    return no_content(
        {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
        }
    )
