"""The console's response headers, besides those of Django and django-csp."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

CONSOLE_PREFIX = "/admin"

# No page uses camera, payment or location. What is not named keeps the browser's default.
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
    """Keep the console's pages out of caches, other sites' documents, and device features.

    It holds for every response: of a view, of Django's error pages, of a layer that refused.
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
