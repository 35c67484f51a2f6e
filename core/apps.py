from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Here for its command, `manage.py serve`."""

    name = "core"
