"""What lets the debug toolbar of a page follow the adds that the page sends. Only with DEBUG."""

from django.http import HttpRequest, HttpResponse

from middleware.problem import GetResponse, is_items

# How django-debug-toolbar tells a page under which id it has kept a request that the page made.
REQUEST_ID_HEADER = "djdt-request-id"


class ToolbarMiddleware:
    """Outside the toolbar's own layer: the header of its answers can be read across origins.

    Listed by the settings where the toolbar is, so that without it no request pays for this.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if REQUEST_ID_HEADER in response.headers and is_items(request.path_info):
            # What it may be read by is for CorsMiddleware to say; this alone permits nothing.
            exposed = response.headers.get("Access-Control-Expose-Headers")
            names = f"{exposed}, {REQUEST_ID_HEADER}" if exposed else REQUEST_ID_HEADER
            response.headers["Access-Control-Expose-Headers"] = names
        return response


def updates_the_page(request: HttpRequest) -> bool:
    """Whether the toolbar of the page that made this request turns to it by itself.

    Adds alone: the live view asks every 2 seconds, and would close each panel that is open. And
    from pages of this port alone: the toolbar of another process would look for it in vain.
    """
    port = request.META["SERVER_PORT"]
    return is_items(request.path_info) and request.META.get("HTTP_ORIGIN", "").endswith(f":{port}")
