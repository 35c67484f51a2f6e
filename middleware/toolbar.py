"""Which requests the debug toolbar follows. Only with DEBUG."""

from django.http import HttpRequest

from middleware.problem import is_items


def updates_the_page(request: HttpRequest) -> bool:
    """Return whether the toolbar of an open page switches to this request.

    Only adds: the live view sends a request every 2 seconds, and each would close an open panel.
    """
    return is_items(request.path_info)
