"""A short cut for the storefront's requests, past the middleware that only the console needs."""

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from middleware.types import GetResponse
from tracker.endpoint.paths import is_items
from tracker.endpoint.problem import Problem

# Load balancers and Prometheus request these all day. They have no session either.
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})

# Resolving a path takes long, and gives the same result each time (docs/performance.md). A path
# that is not found raises, and is not cached.
_resolve = lru_cache(maxsize=16)(resolve)


class StorefrontMiddleware:
    """Call the view of a storefront's request directly, instead of the middleware below this one.

    Sessions, CSRF, accounts and messages together take nearly twice as long as Django's own
    handling of a request (docs/performance.md), and POST /items uses none of them. All other
    requests continue through the list.
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
