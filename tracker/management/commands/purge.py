"""The command `manage.py purge`."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils import timezone
from tqdm import tqdm

from tracker.rows import purge
from tracker.rows.errors import first_line


class Command(BaseCommand):
    help = "Delete carts that were not used for long, with their items. Stop it at any time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than",
            required=True,
            metavar="AGE",
            help="since the last activity: 12h, 90d, 2w",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            before = timezone.now() - purge.read_age(options["older_than"])
        except purge.AgeError as bad:
            raise CommandError(f"--older-than: {bad}") from None
        try:
            due = purge.count(before)
        except Error as error:
            raise CommandError(first_line(error)) from None
        if options["dry_run"]:
            since = f"without activity since {before:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(f"Would delete {_text(due)} {since}.")
        else:
            self._purge(before, due)

    def _purge(self, before: datetime, due: purge.Purged) -> None:
        """Raise CommandError if the database fails, SystemExit after Ctrl-C.

        Each batch is a transaction of its own, so what is deleted stays deleted.
        """
        gone = purge.Purged(0, 0)
        try:
            with tqdm(total=due.carts, unit=" carts", disable=None) as progress:
                for batch in purge.purge(before):
                    gone = purge.Purged(gone.carts + batch.carts, gone.items + batch.items)
                    progress.update(batch.carts)
        except Error as error:
            raise CommandError(f"{first_line(error)}: {_text(gone)} are deleted.") from None
        except KeyboardInterrupt:
            self.stdout.write(f"Stopped: {_text(gone)} of {due.carts:,} are deleted.")
            sys.exit(130)
        self.stdout.write(f"{_text(gone)} are deleted.")


def _text(some: purge.Purged) -> str:
    return f"{some.carts:,} carts with {some.items:,} items"
