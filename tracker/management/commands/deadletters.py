"""The command `manage.py deadletters`."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from tracker.intake import dead_letters
from tracker.intake.dead_letters import Result
from tracker.models import DeadLetter


class Command(BaseCommand):
    help = "List, replay or discard the records that the database refused because of their content."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "action", nargs="?", default="list", choices=["list", "replay", "discard"]
        )
        parser.add_argument("ids", nargs="*", type=UUID, help="ids of dead letters; default: all")
        parser.add_argument(
            "--yes", action="store_true", help="confirm that records are to be discarded"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = DeadLetter.objects.all()
        if options["ids"]:
            chosen = chosen.filter(id__in=options["ids"])
        if options["action"] == "replay":
            self._replay(chosen)
        elif options["action"] == "discard":
            self._discard(chosen, sure=options["yes"])
        else:
            self._list(chosen)

    def _list(self, letters: QuerySet[DeadLetter]) -> None:
        listed = 0
        for letter in dead_letters.oldest_first(letters):
            self.stdout.write(f"{letter.id}  {letter.created_at:%Y-%m-%d %H:%M:%S}  {letter.error}")
            listed += 1
        self.stdout.write(f"{listed} dead letters")

    def _replay(self, letters: QuerySet[DeadLetter]) -> None:
        """Merge and delete each in one transaction, or keep it with its new error."""
        letters_in_order = dead_letters.oldest_first(letters)
        results = Counter(dead_letters.replay(letter) for letter in letters_in_order)
        replayed, refused = results[Result.REPLAYED], results[Result.REFUSED]
        self.stdout.write(f"{replayed} replayed, {refused} refused again")

    def _discard(self, letters: QuerySet[DeadLetter], *, sure: bool) -> None:
        chosen = list(letters.values_list("pk", flat=True))
        if chosen and not sure:
            raise CommandError(f"This deletes {len(chosen)} records permanently: add --yes.")
        for key in chosen:
            DeadLetter.objects.filter(pk=key).delete()
        self.stdout.write(f"{len(chosen)} discarded")
