"""What the replies of the console tell browsers, besides what Django and django-csp say."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

CONSOLE_PREFIX = "/admin"

# Nothing here films, pays or locates. What is not named keeps the browser's default.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "screen-wake-lock",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)


def is_console(path: str) -> bool:
    return path == CONSOLE_PREFIX or path.startswith(f"{CONSOLE_PREFIX}/")


class HeadersMiddleware:
    """Keeps the console's pages out of every cache, other sites' documents, and devices.

    Whatever made the reply: a view, Django's own error page, or a layer that refused.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if is_console(request.path_info):
            if "no-store" not in response.headers.get("Cache-Control", ""):
                response.headers["Cache-Control"] = "no-store"
            response.headers["Permissions-Policy"] = PERMISSIONS_POLICY
            response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response
