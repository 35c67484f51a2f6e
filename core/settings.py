"""Settings, all of them from the environment. The README has the table; a test keeps it true."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.utils import get_random_secret_key

from core import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env.directory("VAR_DIR", BASE_DIR / "var")

DEBUG = env.flag("DEBUG")
ROLE = env.choice("ROLE", default="all", among=("all", "storefront", "console"))
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
STOREFRONT_ORIGINS = env.origins("STOREFRONT_ORIGINS")

# -- Proxies ---------------------------------------------------------------------------------------
# From 1 on, the nearest proxy is believed about the scheme; it must set or strip the header itself.
TRUSTED_PROXIES = env.whole_number("TRUSTED_PROXIES", default=0, highest=10)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
BEHIND_TLS = TRUSTED_PROXIES > 0

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

# From the outside to the inside. A request to the storefront's endpoints turns round at
# StorefrontMiddleware, so that it pays for nothing that only the console needs.
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
        # These three stand outside: errors, redirects and static files get their headers, too.
        "tracker.console.frame.headers.HeadersMiddleware",
        "csp.middleware.CSPMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "tracker.console.frame.limits.TimeLimitMiddleware",  # Around all that asks the database.
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
# `serve` and `drain` take the journal unless told otherwise; whoever runs no drain (runserver, the
# tests) writes the rows directly.
INTAKE_URL = env.text("INTAKE_URL", "database://")
SERVED_INTAKE_URL = env.text("INTAKE_URL", f"journal://{VAR_DIR / 'journal'}")
# Seconds until an add that can't be stored is answered 503; R32 allows 3 for the whole reply.
STORE_TIMEOUT_S = 2
SQLITE_DEFAULT = f"sqlite:///{VAR_DIR / 'tracker.sqlite3'}"


def _sqlite_options() -> dict[str, Any]:
    """Write transactions take their lock at once, so that they wait instead of failing half-way.

    Before these versions, SQLite's write-ahead log has a race at its reset that can lose committed
    transactions (sqlite.org/wal.html, "The WAL-reset bug"): there it keeps the rollback journal.
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
    """One database, kept open between requests, with limits on how long it may keep us waiting."""
    config: dict[str, Any] = env.database("DATABASE_URL", SQLITE_DEFAULT)
    config |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    options = config.setdefault("OPTIONS", {})
    if "sqlite" in config["ENGINE"]:
        return config | {"OPTIONS": _sqlite_options() | options}
    # libpq: seconds to connect; milliseconds for which sent bytes may stay unacknowledged; and
    # where we only wait for an answer, seconds until the host is asked whether it is still there.
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
else:  # Nothing is signed. Django wants one all the same.
    SECRET_KEY = env.text("SECRET_KEY") or get_random_secret_key()
SECRET_KEY_IS_LOCAL = not env.text("SECRET_KEY")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# A session ends with the browser, and 12 hours after the login at the latest: a long shift.
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_AGE = 12 * 3600
SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_REFERRER_POLICY = "same-origin"  # Addresses hold carts' ids and what was searched for.
X_FRAME_OPTIONS = "DENY"
# Whether a whole domain is HTTPS for ever is its owner's decision, not that of one host below it.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if not SERVES_CONSOLE:
    # No pages, no sessions, no forms: nothing for those layers to protect.
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
# Nothing inline, nothing from elsewhere. The same with DEBUG: the toolbar needs no more, and
# django-csp by itself spares Django's technical pages (404 and 500), which do.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "EXCLUDE_URL_PREFIXES": ["/openapi.json"],  # The storefront's, and no page.
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

# Failed logins: after so many with one name from one address, and from one address with any names,
# both have to wait. A name alone locks nobody out: strangers could keep its owner away.
LOCKOUT_FAILURES_PER_ADDRESS = 50
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # Trying on does not make it longer.
AXES_HANDLER = "tracker.console.frame.lockout.LockoutHandler"
AXES_CLIENT_IP_CALLABLE = "tracker.console.frame.lockout.client_address"
AXES_LOCKOUT_CALLABLE = "tracker.console.frame.lockout.locked_out"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True  # No table of who came when: nobody looks at it, and it only grows.
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username"]  # Passwords get typed there. The log names addresses.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

# -- The console -----------------------------------------------------------------------------------
CURRENCY = env.text("CURRENCY", "USD")
# A cart is active until so long after its last activity, and stale from then on.
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
WHITENOISE_USE_FINDERS = True  # Serves from the packages: a fresh clone has collected nothing.
STATIC_ROOT.mkdir(exist_ok=True)
# Served at the root, to any page (core/public.py).
PUBLIC_ROOT = BASE_DIR / "tracker" / "public"

# The toolbar's own guard looks at INTERNAL_IPS; a browser on this machine is all that it is for.
INTERNAL_IPS = ["127.0.0.1", "::1"]
# Static files come by it, too, some 25 with each page: of only 25 requests, as it would by itself,
# it would have forgotten the page before anybody can look at its queries.
DEBUG_TOOLBAR_CONFIG = {
    "RESULTS_CACHE_SIZE": 200,
    "SHOW_COLLAPSED": True,  # Open, it covers half of a narrow page.
    "UPDATE_ON_FETCH": True,  # After an add from the page it shows that add.
    "OBSERVE_REQUEST_CALLBACK": "middleware.toolbar.updates_the_page",
}

# -- Logs: to stderr, one line each, for machines unless asked otherwise ---------------------------
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
    # Django would write a line for every 4xx: a flood of bad requests must not flood the log too.
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.request": {"level": "ERROR"},
        "axes": {"level": "WARNING"},
    },
}
