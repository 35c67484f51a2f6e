"""GET /docs: the API's reference for people, made from openapi.json on the server."""

import json
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import conditional_page, require_safe

from tracker.openapi import PATH

MAX_AGE_S = 300
# Whoever has the toolbar can send requests from the page, too.
CAN_TRY = settings.USES_TOOLBAR

_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
if CAN_TRY:
    _POLICY |= {"script-src": "'self'", "connect-src": "'self'"}
# By itself: the storefront's role has no layer that would add any of these. Also on a 304, with
# which a browser brings the headers of the page that it has up to date.
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store" if settings.DEBUG else f"max-age={MAX_AGE_S}, public",
}


@csrf_exempt
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The same for everybody, with an ETag; with DEBUG made anew each time."""
    response = _content(request)
    for name, value in _HEADERS.items():
        response.headers[name] = value
    return response


@conditional_page
def _content(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_rendered() if settings.DEBUG else _kept())


@cache
def _kept() -> bytes:
    return _rendered()


def _rendered() -> bytes:
    return render(json.loads(PATH.read_bytes()))


def render(document: dict[str, Any]) -> bytes:
    """The page about an OpenAPI document (3.1). What the document lacks, the page leaves out.

    Raises KeyError if it is none, or refers to a place that it does not have.
    """
    # Not before somebody asks: a process that only takes items needs neither.
    from django.template.loader import get_template

    from tracker.reference.content import Reference

    # Without the request, so that no context processor runs: those are the console's.
    context = {"reference": Reference(document), "can_try": CAN_TRY}
    return get_template("docs/page.html").render(context).encode()
