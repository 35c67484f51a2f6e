"""manage.py deadletters"""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction

from tracker import store
from tracker.drain import speaks_of_data
from tracker.intake import first_line
from tracker.intake.record import load
from tracker.models import DeadLetter


class Command(BaseCommand):
    help = "Records that the database refused for what they are: list, replay or discard them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "action", nargs="?", default="list", choices=["list", "replay", "discard"]
        )
        parser.add_argument("ids", nargs="*", type=UUID, help="which ones; all, if none are named")
        parser.add_argument("--yes", action="store_true", help="discard without asking")

    def handle(self, *args: Any, **options: Any) -> None:
        letters = DeadLetter.objects.order_by("created_at")
        if options["ids"]:
            letters = letters.filter(id__in=options["ids"])
        chosen = list(letters)
        if options["action"] == "replay":
            self._replay(chosen)
        elif options["action"] == "discard":
            self._discard(chosen, sure=options["yes"])
        else:
            self._list(chosen)

    def _list(self, letters: list[DeadLetter]) -> None:
        for letter in letters:
            self.stdout.write(f"{letter.id}  {letter.created_at:%Y-%m-%d %H:%M:%S}  {letter.error}")
        self.stdout.write(f"{len(letters)} dead letters")

    def _replay(self, letters: list[DeadLetter]) -> None:
        """Each on its own: merged and deleted in one transaction, or left with its new error."""
        replayed = sum(_replay_one(letter) for letter in letters)
        self.stdout.write(f"{replayed} replayed, {len(letters) - replayed} refused again")

    def _discard(self, letters: list[DeadLetter], *, sure: bool) -> None:
        if letters and not sure:
            raise CommandError(f"This deletes {len(letters)} records for ever: add --yes.")
        for letter in letters:
            letter.delete()
        self.stdout.write(f"{len(letters)} discarded")


def _replay_one(letter: DeadLetter) -> bool:
    """Returns whether it became a row. Raises django.db.Error if the database is not usable."""
    try:
        with transaction.atomic():
            store.merge([load(letter.record.encode())])
            letter.delete()
    except (DatabaseError, ValueError) as error:
        if not speaks_of_data(error):
            raise
        letter.error = first_line(error)
        letter.save(update_fields=["error"])
        return False
    return True
