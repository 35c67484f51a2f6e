from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Here for its commands, `manage.py serve` and `profile_items`."""

    name = "core"
