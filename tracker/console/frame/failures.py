"""Show failures in the console as readable pages in its frame."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    SuspiciousOperation,
    ValidationError,
)
from django.db import (
    DataError,
    Error,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.views import defaults

from tracker.console.frame.headers import is_console
from tracker.console.frame.limits import is_timeout

log = logging.getLogger("console")

View = Callable[..., HttpResponseBase]

_METHODS = ("GET", "HEAD", "POST")
_TEMPLATE = "admin/console/failure.html"
_NOT_RIGHT = "That address is not right"
_NOT_UNDERSTOOD = "The console can't read it. Begin at the first page."
_EXPLAINED = (
    PermissionDenied,
    Http404,
    BadRequest,
    SuspiciousOperation,
    ValidationError,
    ValueError,
)


def readable(view: View, site: AdminSite) -> View:
    """Turn a view's failures into pages that people can read: what happened, and what to do.

    Other exceptions are faults of the code: they are logged, and end in `server_error`.
    """

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in _METHODS:
            return _method_not_allowed()
        try:
            response = view(request, *args, **kwargs)
            # A list is read while its page is rendered.
            return response.render() if isinstance(response, TemplateResponse) else response
        except Error as error:
            return _database_failed(error, site, request)
        except _EXPLAINED as error:
            status, title, text = _explanation(error, request)
            return _page(site, request, status, title, text)

    return inner


def _explanation(error: Exception, request: HttpRequest) -> tuple[int, str, str]:
    """Return status, title and text of the page. Raises errors that the request did not cause."""
    if isinstance(error, PermissionDenied):
        text = "Your account may not do this. Ask an administrator for the permission."
        return 403, "No permission", text
    if isinstance(error, Http404):
        return 404, "Not found", str(error) or "There is nothing here."
    if isinstance(error, BadRequest):
        return 400, _NOT_RIGHT, str(error)
    # PostgreSQL's texts can't contain NUL; its driver raises ValueError.
    if isinstance(error, ValueError) and "%00" not in request.get_full_path():
        raise error
    return 400, _NOT_RIGHT, _NOT_UNDERSTOOD


def _database_failed(error: Error, site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Return the page about a database that failed. Raises faults of the code again."""
    if isinstance(error, IntegrityError | ProgrammingError | NotSupportedError):
        raise error
    if isinstance(error, DataError):
        return _page(site, request, 400, _NOT_RIGHT, _NOT_UNDERSTOOD)
    if is_timeout(error):
        text = "This takes too long. Search for an id or a product, or choose a shorter time."
        return _page(site, request, 503, "Narrow your search", text)
    log.error("the database can't be used: %s", type(error.__cause__ or error).__name__)
    return _database_unavailable()


def _method_not_allowed() -> HttpResponse:
    """Answer 405: Django's admin would answer a PUT or DELETE like a GET."""
    text = "The console's pages take GET, and its forms POST."
    response = bare_page(405, "Not possible", text)
    response.headers["Allow"] = ", ".join(_METHODS)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer as CSRF_FAILURE_VIEW. Django's own page has inline styles and is for developers."""
    text = (
        "This form is not valid any more: you have logged in or out since you opened it, or cookies"
        " are off. Nothing was changed. Go back, reload the page, and send the form again."
    )
    return _page(admin.site, request, 403, "Please try again", text)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer as handler500, in the console's frame if the request was for the console."""
    if not is_console(request.path_info):
        return defaults.server_error(request)
    text = "This is a fault of the console, and it is in the server's log. You can safely continue."
    return bare_page(500, "Something went wrong", text)


def _page(
    site: AdminSite, request: HttpRequest, status: int, title: str, text: str
) -> HttpResponse:
    """Render a page in the whole frame, with the menu of this account."""
    try:
        frame = site.each_context(request) | {"title": title, "text": text}
        return TemplateResponse(request, _TEMPLATE, frame, status=status).render()
    except Error:
        return _database_unavailable()


def _database_unavailable() -> HttpResponse:
    text = (
        "The database does not answer. Adds are still accepted if the intake is a journal or a"
        " stream. Try again in a moment. /readyz shows what works."
    )
    return bare_page(503, "The database does not answer", text, retry_after_s=5)


def bare_page(
    status: int, title: str, text: str, *, retry_after_s: int | None = None
) -> HttpResponse:
    """Render a page in a frame without menu and account, which needs no database."""
    frame = {"title": title, "text": text, "site_header": admin.site.site_header}
    response = HttpResponse(render_to_string(_TEMPLATE, frame), status=status)
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response
