"""The settings of the Django peers. PEER names the module whose URLs are served."""

import os
import sys
from urllib.parse import urlsplit

# Another peer needs psycopg 3, so that it is installed, and Django would prefer it. With the ORM,
# psycopg2 is a tenth faster.
sys.modules["psycopg"] = None

_database = urlsplit(os.environ["DATABASE_URL"])

SECRET_KEY = "not a secret: nothing here is signed"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = f"shop.{os.environ['PEER']}"
INSTALLED_APPS = ["shop", "rest_framework", "django_rq"]
# The layers that an endpoint without pages and logins needs.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.path[1:],
        "USER": _database.username,
        "HOST": _database.hostname,
        "PORT": _database.port,
        "CONN_MAX_AGE": None,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
RQ_QUEUES = {"default": {"URL": os.environ["BROKER_URL"]}}
LOGGING = {"version": 1, "loggers": {"rq.worker": {"level": "WARNING"}}}
