from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Registers `manage.py serve`."""

    name = "core"
