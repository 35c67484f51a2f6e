#!/usr/bin/env python
"""Django's command line: `manage.py help` lists the commands."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    try:
        settings.INSTALLED_APPS  # noqa: B018  Reads the environment, before Django can hide an error.
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"cart-tracker: {error}")


if __name__ == "__main__":
    main()
