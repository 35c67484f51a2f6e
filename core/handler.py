"""The WSGI application: Django's own, with a short cut for the storefront's endpoint."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from core.public import WsgiApplication, with_public_files
from middleware.storefront import StorefrontMiddleware
from tracker.endpoint.paths import ITEMS_PREFIX


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
