from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    """The operations console under /admin. Not every role has it, and nothing else imports it."""

    name = "tracker.console"
    label = "console"
    verbose_name = "Staff"

    def ready(self) -> None:
        from tracker.console.roles import make_groups

        post_migrate.connect(make_groups, sender=self)
