"""The application as plain WSGI (PEP 3333), for `manage.py serve`, gunicorn and others."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from core.handler import Application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
try:
    application = Application(get_wsgi_application())
except ImproperlyConfigured as error:
    sys.exit(f"cart-tracker: {error}")
