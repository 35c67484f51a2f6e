"""manage.py migrate: Django's own, made to be run while the service goes on."""

import time
from typing import Any

from django.core.management.commands import migrate
from django.db import OperationalError, connections

from tracker.online import brief_locks, is_busy

TRY_FOR_S = 600
PAUSE_S = 0.5  # Until those who queued behind us have had their turn.


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        """As Django's. Whatever lock it can't have at once, it lets go of, and tries again.

        So nobody waits for it for longer than LOCK_TIMEOUT_MS; it may wait for ten minutes, then it
        fails. Every migration that has succeeded stays; the one that waited begins anew.
        """
        give_up_at = time.monotonic() + TRY_FOR_S
        with brief_locks(connections[options["database"]]):
            while True:
                try:
                    super().handle(*args, **options)
                    return
                except OperationalError as error:
                    if not is_busy(error) or time.monotonic() > give_up_at:
                        raise
                self.stderr.write("Somebody else uses the tables: once more in a moment.")
                time.sleep(PAUSE_S)
