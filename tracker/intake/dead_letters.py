"""Replay dead letters, the records that the database refused (models.DeadLetter)."""

from collections.abc import Iterator
from enum import Enum

from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from tracker.intake.record import load
from tracker.models import DeadLetter
from tracker.rows import merge
from tracker.rows.errors import first_line, is_data_error
from tracker.rows.keyset import rows_after

BATCH_LETTERS = 100


class Result(Enum):
    """The result of replaying a dead letter."""

    REPLAYED = "replayed"  # In its row; or dropped, because its cart was erased since.
    REFUSED = "refused again"
    GONE = "gone"  # Somebody else has replayed, discarded or erased it.


def replay(letter: DeadLetter) -> Result:
    """Merge a letter's record and delete the letter, or keep it with its new error.

    One transaction. Idempotent. Raises django.db.Error if the database can't be used; then nothing
    has changed.
    """
    try:
        with transaction.atomic():
            if not lock(letter):
                return Result.GONE
            merge.merge([load(letter.record.encode())])
            DeadLetter.objects.filter(pk=letter.pk).delete()
    except (DatabaseError, ValueError) as error:
        if not is_data_error(error):
            raise
        DeadLetter.objects.filter(pk=letter.pk).update(error=first_line(error))
        return Result.REFUSED
    return Result.REPLAYED


def lock(letter: DeadLetter) -> bool:
    """Lock a letter until the end of the transaction. Return False if it does not exist."""
    return bool(DeadLetter.objects.select_for_update().filter(pk=letter.pk).values_list("pk"))


def oldest_first(letters: QuerySet[DeadLetter]) -> Iterator[DeadLetter]:
    """Yield each letter once, the oldest first. Letters may be deleted meanwhile.

    They are read in batches. No transaction and no cursor is open between two batches.
    """
    order = ("created_at", "id")
    rest = letters
    while batch := list(rest.order_by(*order)[:BATCH_LETTERS]):
        last = (
            batch[-1].created_at,
            batch[-1].pk,
        )  # A deleted letter has no key.
        yield from batch
        rest = letters.filter(rows_after(order, last))
