"""Serve static files at the root in every role with /items: the snippet, and all of /docs."""

from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path

import drf_spectacular_sidecar
from django.conf import settings
from whitenoise import WhiteNoise  # type: ignore[import-untyped]

WsgiApplication = Callable[..., Iterable[bytes]]

# A file under a version's name may change: browsers ask again after this time.
MAX_AGE_S = 300
# A file under the hash of its content never changes.
_IMMUTABLE = r"^/cart-tracker\.v\d+\.[0-9a-f]{12}\.js$"

DOCS_PREFIX = "/docs/"
# The package also holds Redoc, and is a Django app. Only these files are used.
SWAGGER_UI = (
    Path(drf_spectacular_sidecar.__file__).parent / "static/drf_spectacular_sidecar/swagger-ui-dist"
)
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:;"  # Swagger UI's stylesheet holds its icons.
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def with_public_files(application: WsgiApplication) -> WsgiApplication:
    """Answer GET and HEAD for public files, and leave everything else to the application.

    This stands in front of Django because the storefront role has no middleware that serves files.
    """
    served = WhiteNoise(
        application,
        root=settings.PUBLIC_ROOT,
        autorefresh=settings.DEBUG,
        max_age=MAX_AGE_S,
        immutable_file_test=_IMMUTABLE,
        index_file=True,  # /docs/ is docs/index.html, and /docs redirects there.
        add_headers_function=_add_headers,
    )
    served.add_files(SWAGGER_UI, prefix=f"{DOCS_PREFIX}swagger-ui/")
    answer: WsgiApplication = served
    return answer


def _add_headers(headers: MutableMapping[str, str], path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    if url.startswith(DOCS_PREFIX):
        headers["Content-Security-Policy"] = _DOCS_POLICY
        headers["Referrer-Policy"] = "same-origin"
    else:
        # Any site may load the snippet, also with `integrity`, which needs CORS headers.
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
