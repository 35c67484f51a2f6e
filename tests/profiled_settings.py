"""The settings with one more layer in front of the view, for tests/test_profile_items.py."""

from core.settings import *  # noqa: F403
from core.settings import MIDDLEWARE as _MIDDLEWARE

_at = _MIDDLEWARE.index("middleware.storefront.StorefrontMiddleware")
MIDDLEWARE = [*_MIDDLEWARE[:_at], "tests.wasteful.WastefulMiddleware", *_MIDDLEWARE[_at:]]
