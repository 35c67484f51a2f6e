"""The shipped settings without any layer between server and view."""

from core.settings import *  # noqa: F403

MIDDLEWARE = []
ROOT_URLCONF = "bench.in_process.empty.urls"
