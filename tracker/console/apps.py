from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The operations console under /admin. Nothing else imports it, and not every role has it."""

    name = "tracker.console"
    label = "console"
