"""What the debug toolbar needs to follow adds. Only with DEBUG."""

from contextlib import suppress

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from middleware.types import GetResponse
from tracker.endpoint.paths import is_items


class ToolbarMiddleware:
    """Keep the body of an add for the toolbar's history panel.

    Django keeps a body that is asked for before the view reads it. A body that can't be read is
    left to the view, which says what is wrong with it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_items(request.path_info):
            with suppress(OSError, ValueError, RequestDataTooBig):
                _ = request.body
        return self.get_response(request)


def updates_the_page(request: HttpRequest) -> bool:
    """Return whether the toolbar of an open page switches to this request.

    Only adds: the live view sends a request every 2 seconds, and each would close an open panel.
    """
    return is_items(request.path_info)
