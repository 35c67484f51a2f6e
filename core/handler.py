"""The WSGI application: Django's own, with a short cut for the storefront's endpoint."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from core.public import WsgiApplication, with_public_files
from middleware.access import AccessMiddleware
from middleware.cors import with_cors_headers
from middleware.storefront import StorefrontMiddleware
from tracker.endpoint.body import FailedBody
from tracker.endpoint.paths import ITEMS_PREFIX, is_items
from tracker.endpoint.problem import Problem


class Application:
    """Run POST /items through the same middleware as Django does, and nothing else.

    Django sends signals that manage database connections, sets the script prefix and the URLconf
    for code that reverses addresses, and wraps each middleware against exceptions. The storefront's
    endpoint needs one such wrapper, and its intake manages its own connections. All other requests
    go through Django, also /items where the debug toolbar follows it.
    """

    def __init__(self, django: WsgiApplication) -> None:
        self._django = with_public_files(django) if settings.SERVES_STOREFRONT else django
        self._storefront = _storefront_chain()
        self._refuse_head = AccessMiddleware(_refused_head)
        served = settings.SERVES_STOREFRONT and not settings.USES_TOOLBAR
        self._short = {ITEMS_PREFIX, f"{ITEMS_PREFIX}/"} if served else set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") not in self._short:
            return self._django(environ, start_response)
        response = self._storefront(WSGIRequest(environ))
        # The pairs of response.headers.items(), which takes longer (docs/performance.md).
        headers = list(response.headers._store.values())  # noqa: SLF001
        headers += [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        start_response(f"{response.status_code} {response.reason_phrase}", headers)
        return [response.content]

    def refuse(
        self, problem: Problem, environ: dict[str, Any] | None, *, in_body: bool
    ) -> HttpResponse:
        """Return the answer to a request that the server could not read, or not to its end.

        Below /items it has what every refusal there has: a request id, CORS headers, a line in the
        log, and a place in the counts (R31, R33). `environ` is what could be read of the request.
        If the fault is in the body, the head is complete: then all layers are asked, and the
        outermost that refuses the request decides.
        """
        if not settings.SERVES_STOREFRONT or environ is None or not is_items(environ["PATH_INFO"]):
            return problem.response()
        # Without a length, the view reads the input and gets the error.
        environ.pop("CONTENT_LENGTH", None)
        environ |= {"wsgi.input": FailedBody(problem), "wsgi.input_terminated": True}
        return (self._storefront if in_body else self._refuse_head)(WSGIRequest(environ))


def _refused_head(request: HttpRequest) -> HttpResponse:
    problem: Problem = request.META["wsgi.input"].problem
    return with_cors_headers(request, problem.response())


def storefront_layers() -> list[str]:
    """Return settings.MIDDLEWARE up to the layer that calls the storefront's view."""
    last = f"{StorefrontMiddleware.__module__}.{StorefrontMiddleware.__qualname__}"
    return settings.MIDDLEWARE[: settings.MIDDLEWARE.index(last) + 1]


def _storefront_chain() -> Callable[[HttpRequest], HttpResponse]:
    layers = storefront_layers()
    chain: Any = None  # Never called: the last layer answers.
    for name in reversed(layers):
        chain = import_string(name)(chain)
        if name == layers[-1]:
            # An exception of the view becomes Django's 500; other layers complete it (R31, R33).
            chain = convert_exception_to_response(chain)
    guarded: Any = convert_exception_to_response(chain)
    return cast(Callable[[HttpRequest], HttpResponse], guarded)
