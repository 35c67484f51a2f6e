"""Dead letters: the records that the database refused, tried once more. See models.DeadLetter."""

from collections.abc import Iterator
from enum import Enum

from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from tracker.intake.record import load
from tracker.models import DeadLetter
from tracker.rows import merge as store
from tracker.rows.errors import first_line, speaks_of_data
from tracker.rows.keyset import rows_after

BATCH_LETTERS = 100


class Result(Enum):
    """What became of a dead letter that was tried once more."""

    REPLAYED = "replayed"  # In its row; or dropped, because its cart was erased since.
    REFUSED = "refused again"
    GONE = "gone"  # Somebody else has replayed, discarded or erased it.


def replay(letter: DeadLetter) -> Result:
    """Merge its record and forget the letter, in one transaction; or keep it with its new error.

    May be repeated. Raises django.db.Error if the database can't be used; nothing has changed then.
    """
    try:
        with transaction.atomic():
            if not lock(letter):
                return Result.GONE
            store.merge([load(letter.record.encode())])
            DeadLetter.objects.filter(pk=letter.pk).delete()
    except (DatabaseError, ValueError) as error:
        if not speaks_of_data(error):
            raise
        DeadLetter.objects.filter(pk=letter.pk).update(error=first_line(error))
        return Result.REFUSED
    return Result.REPLAYED


def lock(letter: DeadLetter) -> bool:
    """Keep it from all others until the transaction's end; False if it is not there any more."""
    return bool(DeadLetter.objects.select_for_update().filter(pk=letter.pk).values_list("pk"))


def oldest_first(letters: QuerySet[DeadLetter]) -> Iterator[DeadLetter]:
    """Each of them once, read in batches; they may be deleted on the way.

    Holds no transaction and no cursor from one batch to the next.
    """
    order = ("created_at", "id")
    rest = letters
    while batch := list(rest.order_by(*order)[:BATCH_LETTERS]):
        last = (batch[-1].created_at, batch[-1].pk)  # Now: a deleted one has no key any more.
        yield from batch
        rest = letters.filter(rows_after(order, last))
