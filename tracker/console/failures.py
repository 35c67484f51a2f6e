"""What goes wrong in the console ends as a readable page in its frame, and takes bounded time."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import Error, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse

View = Callable[..., HttpResponseBase]

# Of each statement of a page on PostgreSQL. What takes longer is a question too wide to be useful.
STATEMENT_TIMEOUT_MS = 5000

_TEMPLATE = "admin/console/failure.html"
_QUERY_CANCELED = "57014"  # PostgreSQL manual, appendix A.


def limited(view: View) -> View:
    """A view whose reading is limited in time; what it renders is part of that.

    Writing is not: an erasure commits its own transactions, and goes on for as long as it takes.
    """

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD") or connection.vendor != "postgresql":
            return view(request, *args, **kwargs)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = %s", [STATEMENT_TIMEOUT_MS])
            response = view(request, *args, **kwargs)
            return response.render() if isinstance(response, TemplateResponse) else response

    return inner


def readable(view: View, site: AdminSite) -> View:
    """A view whose failures people can read: what happened, and what to do."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except PermissionDenied:
            text = "Your account may not do this. Whoever manages accounts can give it the right."
            return _page(site, request, 403, "No permission", text)
        except Http404 as error:
            return _page(site, request, 404, "Not found", str(error) or "There is nothing here.")
        except BadRequest as error:
            return _page(site, request, 400, "That address is not right", str(error))
        except Error as error:
            if getattr(error.__cause__, "pgcode", None) == _QUERY_CANCELED:
                text = "This takes too long. Narrow your search: an id, a product, a shorter time."
                return _page(site, request, 503, "Narrow your search", text)
            return _bare_page(503)

    return inner


def _page(
    site: AdminSite, request: HttpRequest, status: int, title: str, text: str
) -> HttpResponse:
    """In the whole frame, with the menu of this account."""
    frame = site.each_context(request) | {"title": title, "text": text}
    try:
        return TemplateResponse(request, _TEMPLATE, frame, status=status).render()
    except Error:
        return _bare_page(503)


def _bare_page(status: int) -> HttpResponse:
    """In a frame that asks the database for nothing: it is what can't be reached."""
    text = (
        "The database can't be used now. Adds are still accepted if they go to a journal or a"
        " stream. Try again in a moment; /readyz tells what is up."
    )
    frame = {"title": "The database is away", "text": text, "site_header": "Cart Tracker"}
    response = HttpResponse(render_to_string(_TEMPLATE, frame), status=status)
    response.headers["Retry-After"] = "5"
    return response
