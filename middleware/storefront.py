"""The short way for the storefront's requests: past everything that only the console needs."""

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from middleware.types import GetResponse
from tracker.endpoint.paths import is_items
from tracker.endpoint.problem import Problem

# Load balancers and Prometheus ask for these all day; they have no session either.
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})


# Resolving /items costs 12 µs a request, and comes to the same each time. What is not found is not
# kept.
_resolve = lru_cache(maxsize=16)(resolve)


class StorefrontMiddleware:
    """Calls the view of a storefront's request at once, instead of the middleware below this one.

    Sessions, CSRF, accounts and messages cost 74 µs together, nearly twice Django's own handling of
    a request, and POST /items uses none of them. Everything else goes on through the list.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_items(request.path_info) and request.path_info not in _PROBES:
            return self.get_response(request)
        match = request.resolver_match = _resolve(request.path_info)
        try:
            response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        except Problem as problem:
            return problem.response()
        return response
