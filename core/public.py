"""The files that pages of shops load: the snippet. Served at the root by every role with /items."""

from collections.abc import Callable, Iterable, MutableMapping

from django.conf import settings
from whitenoise import WhiteNoise  # type: ignore[import-untyped]

WsgiApplication = Callable[..., Iterable[bytes]]

# A file under a version's name may change: browsers ask again after so long.
MAX_AGE_S = 300
# One under the hash of its content never does.
_IMMUTABLE = r"^/cart-tracker\.v\d+\.[0-9a-f]{12}\.js$"


def with_public_files(application: WsgiApplication) -> WsgiApplication:
    """Answers GET and HEAD for the files in PUBLIC_ROOT; everything else is the application's.

    In front of Django, because the storefront's role has no middleware to serve files with. Any
    site may load them, also with `integrity`: that needs CORS headers, which do no harm here.
    """
    served: WsgiApplication = WhiteNoise(
        application,
        root=settings.PUBLIC_ROOT,
        autorefresh=settings.DEBUG,
        max_age=MAX_AGE_S,
        immutable_file_test=_IMMUTABLE,
        add_headers_function=_add_headers,
    )
    return served


def _add_headers(headers: MutableMapping[str, str], path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
