"""The command `manage.py reload`."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.server import instance
from core.server.supervisor import READY_WITHIN_S, STOP_WITHIN_S


class Command(BaseCommand):
    help = (
        "Have the service that runs in this VAR_DIR start new processes in place of its own. If"
        " they can't start, the old ones go on and this fails."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            instance.reload(settings.VAR_DIR, within_s=READY_WITHIN_S + 2 * STOP_WITHIN_S)
        except instance.ReloadError as error:
            raise CommandError(f"Not reloaded. {error}") from None
        self.stdout.write("Reloaded: all processes are new.")
