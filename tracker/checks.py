"""What must hold together in the settings, looked at by every start and by `manage.py check`."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from middleware.cart_id import cart_id_cookie
from tracker import intake

# From the outside to the inside. Why each must stand where it stands: access, because it names and
# logs every request; CORS, because a page that is
# not allowed must cause no work (R34), and because every error needs its headers (R33); problems,
# because it promises the form of all that comes from within; the cart id before the view.
_ORDER = [
    "middleware.access.AccessMiddleware",
    "middleware.cors.CorsMiddleware",
    "middleware.problem.ProblemMiddleware",
    "middleware.cart_id.CartIdMiddleware",
    "middleware.storefront.StorefrontMiddleware",
]
_ANY_CART = UUID(int=1)
_CONSOLE_LAYERS = ("django.", "whitenoise.", "axes.", "csp.", "tracker.console.")
_CSP_LAYER = "csp.middleware.CSPMiddleware"


@register
def check_middleware_order(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    ours = [name for name in settings.MIDDLEWARE if name in _ORDER]
    if ours != _ORDER:
        hint = f"Keep this order: {', '.join(_ORDER)}."
        return [Error("MIDDLEWARE misses or misplaces a layer.", hint=hint, id="tracker.E001")]
    before = settings.MIDDLEWARE[: settings.MIDDLEWARE.index(_ORDER[-1])]
    if any(name.startswith(_CONSOLE_LAYERS) for name in before):
        hint = f"Move all layers but these below {_ORDER[-1]}."
        return [Error("POST /items would run the console's layers.", hint=hint, id="tracker.E002")]
    return []


@register(Tags.security)
def check_cookie_attributes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Browsers drop a SameSite=None or Partitioned cookie that is not Secure, without a word."""
    for secure in (False, True):
        cookie = cart_id_cookie(_ANY_CART, secure=secure)
        if (cookie["samesite"] == "None" or cookie["partitioned"]) and not cookie["secure"]:
            hint = "Set Secure with SameSite=None and Partitioned, or use SameSite=Lax."
            return [Error("The cart's cookie would be dropped.", hint=hint, id="tracker.E003")]
    return []


@register(Tags.security)
def check_toolbar(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The toolbar shows settings, SQL and request data to whoever can reach it."""
    names = [*settings.INSTALLED_APPS, *settings.MIDDLEWARE]
    if not settings.DEBUG and any(name.startswith("debug_toolbar") for name in names):
        hint = "Remove it, or set DEBUG=1 on a developer's machine."
        return [Error("The debug toolbar is active without DEBUG.", hint=hint, id="tracker.E004")]
    return []


@register(Tags.security)
def check_policy(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The second wall, if a text of a shop ever got into a page as markup: it must not run."""
    directives: dict[str, list[str]] = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    loose = {"'unsafe-inline'", "'unsafe-eval'", "*", "https:", "http:", "data:"}
    runs_anything = any(
        loose & set(directives.get(name) or directives["default-src"])
        for name in ("default-src", "script-src", "style-src", "base-uri")
    )
    if settings.SERVES_CONSOLE and (runs_anything or _CSP_LAYER not in settings.MIDDLEWARE):
        hint = "Keep CONTENT_SECURITY_POLICY strict, and its middleware in place."
        return [Error("The console's pages may run any script.", hint=hint, id="tracker.E007")]
    return []


@register(Tags.security)
def check_origins(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """With credentials, a page of any listed origin can read its visitor's cart id."""
    if {"*", "null"} & set(settings.STOREFRONT_ORIGINS):
        hint = "List each shop's origin, like https://shop.example."
        return [Error("STOREFRONT_ORIGINS lets any page in.", hint=hint, id="tracker.E005")]
    return []


@register
def check_intake(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    try:
        intake.current()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="tracker.E006")]
    return []


@register(deploy=True)
def check_promise(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Looks at the part behind the intake, as it runs."""
    try:
        complaints = intake.from_url(settings.SERVED_INTAKE_URL).complaints()
    except ImproperlyConfigured:
        return []  # tracker.E006 says so.
    return [checks.Warning(each, id="tracker.W002") for each in complaints]


@register(Tags.security, deploy=True)
def check_secret_is_given(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A key that was made on one machine signs sessions that no other machine accepts."""
    if settings.SERVES_CONSOLE and settings.SECRET_KEY_IS_LOCAL:
        hint = "Set SECRET_KEY in the environment, the same on all machines."
        return [
            checks.Warning("SECRET_KEY was made on this machine.", hint=hint, id="tracker.W001")
        ]
    return []
