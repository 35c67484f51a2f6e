"""manage.py seed_demo"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, IntegrityError, connection
from django.utils import timezone

from tracker import demo_store
from tracker.demo_data import DemoCart, carts
from tracker.intake import first_line
from tracker.models import Cart
from tracker.progress import Progress, stoppable

MAX_DAYS = 3650


class Command(BaseCommand):
    help = "Fill an empty database with a made-up shop's carts, the same ones for the same seed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--items", type=int, required=True, help="in all carts together")
        parser.add_argument("--seed", type=int, required=True, help="another one: other carts")
        parser.add_argument("--days", type=int, default=30, help="back from now; default: 30")
        parser.add_argument("--force", action="store_true", help="into a database with carts in it")
        parser.add_argument("--yes", action="store_true", help="with --force: do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        items, seed, days = options["items"], options["seed"], options["days"]
        if items < 1:
            raise CommandError("--items must be at least 1.")
        if not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {MAX_DAYS}.")
        made_up = carts(items, seed=seed, now=timezone.now(), days=days)
        try:
            self._refuse_or_ask(force=options["force"], sure=options["yes"])
            self._store(made_up, items)
        except IntegrityError:
            raise CommandError(
                f"Carts of seed {seed} are there already: take another --seed."
            ) from None
        except Error as error:
            raise CommandError(first_line(error)) from None

    def _refuse_or_ask(self, *, force: bool, sure: bool) -> None:
        """Raises CommandError unless the database is empty, or somebody means it."""
        if not Cart.objects.exists():
            return
        database = connection.settings_dict["NAME"]
        if not force:
            raise CommandError(
                f"There are carts in {database} already, and made-up ones among them can't be told"
                " from real ones: use an empty database, or --force."
            )
        if sure:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"--force puts made-up carts among those in {database}: add --yes.")
        if input(f"Put made-up carts among those in {database}? [y/N] ").strip().lower() != "y":
            raise CommandError("Nothing was stored.")

    def _store(self, made_up: Iterable[DemoCart], items: int) -> None:
        """Raises django.db.Error; and SystemExit after a signal."""
        progress, stored = Progress(self.stderr, items, "items"), 0
        with stoppable() as stopped:
            for chunk_items in demo_store.store(made_up):
                stored += chunk_items
                progress.at(stored)
                if stopped():
                    break
        progress.end()
        self.stdout.write(f"{stored:,} of {items:,} items are stored.")
        if signum := stopped():
            sys.exit(128 + signum)
        demo_store.settle()
