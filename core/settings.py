"""Settings, all from the environment. The table is docs/settings.md; a test compares both."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.core.management.utils import get_random_secret_key

from core import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env.directory("VAR_DIR", BASE_DIR / "var")

DEBUG = env.flag("DEBUG")
ROLE = env.choice("ROLE", default="all", among=("all", "storefront", "console"))
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
STOREFRONT_ORIGINS = env.origins("STOREFRONT_ORIGINS")

# -- Proxies ---------------------------------------------------------------------------------------
# From 1 on, the header of the nearest proxy decides the scheme. The proxy must set or strip it.
TRUSTED_PROXIES = env.whole_number("TRUSTED_PROXIES", default=0, highest=10)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
BEHIND_TLS = TRUSTED_PROXIES > 0

# How long a connection stays open without a request. Longer than a balancer's own limit, or the
# balancer may use one that is just being closed.
KEEP_ALIVE_S = env.whole_number("KEEP_ALIVE_S", default=75, lowest=1, highest=3600)

# -- What is installed, by role --------------------------------------------------------------------
# The storefront role has no console code, no sessions and no accounts. The toolbar is a developers'
# package: it is imported only where DEBUG asks for it.
SERVES_CONSOLE = ROLE != "storefront"
SERVES_STOREFRONT = ROLE != "console"
USES_TOOLBAR = DEBUG and SERVES_CONSOLE

INSTALLED_APPS = ["core", "tracker"]
if SERVES_CONSOLE:
    INSTALLED_APPS += [
        "tracker.console",
        "tracker.console.admin_config.ConsoleAdminConfig",  # django.contrib.admin, with our site.
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "whitenoise.runserver_nostatic",
        "django.contrib.staticfiles",
        "axes",
    ]
if USES_TOOLBAR:
    INSTALLED_APPS += ["debug_toolbar"]

# From the outside to the inside. A request to the storefront's endpoints ends at
# StorefrontMiddleware, so that it does not run what only the console needs.
MIDDLEWARE = []
if USES_TOOLBAR:
    MIDDLEWARE += [
        "middleware.toolbar.ToolbarMiddleware",
        "debug_toolbar.middleware.DebugToolbarMiddleware",
    ]
MIDDLEWARE += [
    "middleware.access.AccessMiddleware",
    "middleware.cors.CorsMiddleware",
    "middleware.problem.ProblemMiddleware",
    "middleware.cart_id.CartIdMiddleware",
    "middleware.storefront.StorefrontMiddleware",
]
if SERVES_CONSOLE:
    MIDDLEWARE += [
        # These three are outermost: errors, redirects and static files get their headers, too.
        "tracker.console.frame.headers.HeadersMiddleware",
        "csp.middleware.CSPMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "tracker.console.frame.limits.TimeLimitMiddleware",  # Around all that uses the database.
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "axes.middleware.AxesMiddleware",
    ]

ROOT_URLCONF = "core.urls"
WSGI_APPLICATION = "core.wsgi.application"
APPEND_SLASH = False  # A redirect would turn a POST into a GET; /items and /items/ are both routed.

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# -- The database and the intake -------------------------------------------------------------------
# `serve` and `drain` use the journal by default. Without a drain (runserver, tests) the rows are
# written directly.
INTAKE_URL = env.text("INTAKE_URL", "database://")
SERVED_INTAKE_URL = env.text("INTAKE_URL", f"journal://{quote(str(VAR_DIR / 'journal'))}")
# Seconds until an add that can't be stored is answered 503. R32 allows 3 for the whole reply.
STORE_TIMEOUT_S = 2
SQLITE_DEFAULT = f"sqlite:///{quote(str(VAR_DIR / 'tracker.sqlite3'))}"


def _sqlite_options() -> dict[str, Any]:
    """Return options for SQLite. Write transactions lock at their start, so that they wait there.

    Before these versions, SQLite's write-ahead log can lose committed transactions at its reset
    (sqlite.org/wal.html, "The WAL-reset bug"): they use the rollback journal.
    """
    version = sqlite3.sqlite_version_info
    fixed = (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )
    mode = "WAL" if fixed else "DELETE"
    return {
        "timeout": STORE_TIMEOUT_S,
        "transaction_mode": "IMMEDIATE",
        "init_command": f"PRAGMA journal_mode={mode}; PRAGMA synchronous=FULL;",
    }


def _database() -> dict[str, Any]:
    """Return the database: connections are kept, and waits for it are limited."""
    config: dict[str, Any] = env.database("DATABASE_URL", SQLITE_DEFAULT)
    config |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    options = config.setdefault("OPTIONS", {})
    if "sqlite" in config["ENGINE"]:
        return config | {"OPTIONS": _sqlite_options() | options}
    # libpq: seconds to connect; milliseconds for which sent bytes may stay unacknowledged; seconds
    # without an answer until keep-alive probes are sent.
    limits = {
        "connect_timeout": STORE_TIMEOUT_S,
        "tcp_user_timeout": STORE_TIMEOUT_S * 1000,
        "keepalives_idle": 10,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }
    # Django's own backend, except that its migrations keep nobody waiting (docs/upgrading.md).
    engine = "django_zero_downtime_migrations.backends.postgres"
    return config | {"ENGINE": engine, "OPTIONS": limits | options}


DATABASES = {"default": _database()}
ZERO_DOWNTIME_MIGRATIONS_LOCK_TIMEOUT = "500ms"  # Less than deadlock_timeout and STORE_TIMEOUT_S.
ZERO_DOWNTIME_MIGRATIONS_FLEXIBLE_STATEMENT_TIMEOUT = True  # No limit for building an index.
ZERO_DOWNTIME_MIGRATIONS_IDEMPOTENT_SQL = True  # After a failure, skip what is done already.
DATABASE_IS_GIVEN = bool(env.text("DATABASE_URL"))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Security --------------------------------------------------------------------------------------
if SERVES_CONSOLE:
    SECRET_KEY = env.secret("SECRET_KEY", get_random_secret_key, keep_in=VAR_DIR / "secret_key")
else:  # Nothing is signed, but Django demands a key.
    SECRET_KEY = env.text("SECRET_KEY") or get_random_secret_key()
SECRET_KEY_IS_LOCAL = not env.text("SECRET_KEY")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# A session ends with the browser, at the latest 12 hours after the login (a long shift).
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_AGE = 12 * 3600
SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_REFERRER_POLICY = "same-origin"  # Addresses contain cart ids and search terms.
X_FRAME_OPTIONS = "DENY"
# Whether a whole domain is HTTPS only is decided by its owner, not by one host below it.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if not SERVES_CONSOLE:
    # No pages, sessions or forms: these layers have nothing to protect.
    SILENCED_SYSTEM_CHECKS += ["security.W001", "security.W002", "security.W003"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# -- The console's security ------------------------------------------------------------------------
# Nothing inline, nothing from other hosts. Also with DEBUG: the toolbar needs nothing more, and
# django-csp leaves out Django's technical pages (404 and 500), which do.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "EXCLUDE_URL_PREFIXES": ["/openapi.json"],  # Belongs to the storefront, and is not a page.
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}
if SERVES_CONSOLE:
    CSRF_FAILURE_VIEW = "tracker.console.frame.failures.csrf_failure"

# Failed logins lock a name from one address, and one address with any names. A name alone is never
# locked: strangers could keep its owner out.
LOCKOUT_FAILURES_PER_ADDRESS = 50
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # More tries do not make it longer.
AXES_HANDLER = "tracker.console.frame.lockout.LockoutHandler"
AXES_CLIENT_IP_CALLABLE = "tracker.console.frame.lockout.client_address"
AXES_LOCKOUT_CALLABLE = "tracker.console.frame.lockout.locked_out"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True  # Nobody needs a table of all logins, and it only grows.
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username"]  # People type passwords there. The log has addresses.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

# -- The console -----------------------------------------------------------------------------------
CURRENCY = env.text("CURRENCY", "USD")
# Hours since the last activity until a cart is no longer active, and until it is stale.
CART_ACTIVE_HOURS = env.whole_number("CART_ACTIVE_HOURS", default=2, lowest=1, highest=8760)
CART_STALE_HOURS = env.whole_number(
    "CART_STALE_HOURS", default=24, lowest=CART_ACTIVE_HOURS, highest=8760
)
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = ["tracker.console.formats"]
LOGIN_URL = "admin:login"
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = True  # Serve from the packages: a fresh clone has no collected files.
STATIC_ROOT.mkdir(exist_ok=True)
# Served at the root, to any page (core/public.py).
PUBLIC_ROOT = BASE_DIR / "tracker" / "public"

# The toolbar serves only these addresses: browsers on this machine.
INTERNAL_IPS = ["127.0.0.1", "::1"]
# The toolbar also sees static files, some 25 for each page. With its default of 25 requests it
# would have forgotten the page before anybody looks at its queries.
DEBUG_TOOLBAR_CONFIG = {
    "RESULTS_CACHE_SIZE": 200,
    "SHOW_COLLAPSED": True,  # Expanded, it covers half of a narrow page.
    "UPDATE_ON_FETCH": True,  # After an add from the page, show that add.
    "OBSERVE_REQUEST_CALLBACK": "middleware.toolbar.updates_the_page",
}

# -- Logs: lines on stderr, JSON by default --------------------------------------------------------
LOG_FORMAT = env.choice("LOG_FORMAT", default="json", among=("json", "text"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{asctime}{levelname}{name}{message}",
            "style": "{",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # Django would log every 4xx. A flood of bad requests must not flood the log.
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "axes": {"level": "WARNING"},
    },
}
