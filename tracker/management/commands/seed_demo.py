"""The command `manage.py seed_demo`."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection
from django.utils import timezone
from tqdm import tqdm

from tracker.demo import carts as demo_data
from tracker.models import Cart
from tracker.rows.errors import first_line
from tracker.rows.merge import merge

BATCH = 1000
MAX_DAYS = 3650


class Command(BaseCommand):
    help = "Fill an empty database with a made-up shop's carts, the same ones for the same seed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--items", type=int, default=100_000, help="default: %(default)s")
        parser.add_argument("--seed", type=int, default=1, help="another seed makes other carts")
        parser.add_argument("--days", type=int, default=30, help="how far back; default: 30")
        parser.add_argument(
            "--until",
            type=_time,
            default=None,
            metavar="TIME",
            help="the time of the newest adds, in ISO 8601 with a zone; default: now",
        )
        parser.add_argument("--force", action="store_true", help="even if there are carts already")

    def handle(self, *args: Any, **options: Any) -> None:
        items, days = options["items"], options["days"]
        if items < 1:
            raise CommandError("--items must be at least 1.")
        if not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {MAX_DAYS}.")
        until = options["until"] or timezone.now()
        # Carts have ids of their time, so only the same time makes the same carts.
        how = f"To store the rest, add --force --until {until.isoformat()}"
        try:
            if not options["force"]:
                _require_no_carts()
            stored = self._merge(items, seed=options["seed"], days=days, until=until)
        except Error as error:
            raise CommandError(f"{first_line(error)}\n{how}") from None
        except KeyboardInterrupt:
            raise CommandError(f"Stopped.\n{how}", returncode=130) from None
        self.stdout.write(f"Stored {stored:,} new items.")

    def _merge(self, items: int, *, seed: int, days: int, until: datetime) -> int:
        """Return how many items are new. Raises django.db.Error; the batches before it stay."""
        records = demo_data.records(items, seed=seed, now=until, days=days)
        stored = 0
        with tqdm(total=items, unit=" items", disable=None) as progress:
            while batch := list(islice(records, BATCH)):
                inserted = merge(batch).inserted
                stored += inserted
                progress.update(inserted)
        return stored


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} must be a time like 2026-11-28T10:00:00+00:00")
    return found


def _require_no_carts() -> None:
    if Cart.objects.exists():
        raise CommandError(
            f"{connection.settings_dict['NAME']} has carts already, and nobody could tell made-up"
            " ones from real ones: use an empty database, or --force."
        )
