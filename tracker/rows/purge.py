"""Delete carts that nobody has used for long, with their items.

A purged cart gets no tombstone (models.Tombstone): nobody has asked for its erasure, and tombstones
are never deleted, so that they would grow without limit. A late record in an intake creates such a
cart again with its old times, and the next purge deletes it.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Count, Sum

from tracker.models import Cart
from tracker.retry import retry
from tracker.rows.keyset import rows_after

BATCH_CARTS = 1000
# Carts of very many items make smaller batches.
BATCH_ITEMS = 20_000
TRIES = 3

# Delete the carts before their items, which the foreign key allows until the commit. Then the
# triggers find no cart to subtract each item from, which takes half the time.
_DELETE = {
    "postgresql": (
        "DELETE FROM tracker_cart WHERE id = ANY(%s::uuid[])",
        "DELETE FROM tracker_item WHERE cart_id = ANY(%s::uuid[])",
    ),
    "sqlite": (
        "DELETE FROM tracker_cart WHERE id IN (SELECT value FROM json_each(%s))",
        "DELETE FROM tracker_item WHERE cart_id IN (SELECT value FROM json_each(%s))",
    ),
}

_AGE = re.compile(r"([0-9]{1,6})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONGEST = timedelta(days=36_500)


class Purged(NamedTuple):
    """How many carts and items were deleted, or would be."""

    carts: int
    items: int


class AgeError(ValueError):
    """A text is not an age. The message says in one line what an age looks like."""


def read_age(text: str) -> timedelta:
    """Parse an age like 12h, 90d or 2w, up to a hundred years. Raises AgeError."""
    found = _AGE.fullmatch(text.strip())
    age = int(found[1]) * _UNITS[found[2]] if found else timedelta()
    if not timedelta() < age <= _LONGEST:
        raise AgeError(
            f"{text!r} is not an age: use a whole number from 1 on with h, d or w for hours, days"
            " or weeks, like 90d (up to 36500d)."
        )
    return age


def count(before: datetime) -> Purged:
    """Count the carts whose last activity was before that, and their items."""
    found = Cart.objects.filter(updated_at__lt=before)
    totals = found.aggregate(carts=Count("id"), items=Sum("item_count", default=0))
    return Purged(totals["carts"], totals["items"])


def purge(before: datetime, *, batch_carts: int = BATCH_CARTS) -> Iterator[Purged]:
    """Delete the carts whose last activity was before that. Yield what each batch has deleted.

    Each batch is one short transaction, so a purge can be stopped or killed at any moment and run
    again. Several processes may purge at once. A cart that a storefront adds to meanwhile stays. A
    cart that another process is writing to is left for the next purge.

    Raises django.db.Error; the batches before it stay deleted.
    """
    after = None
    while batch := _oldest(before, after, batch_carts):
        after = batch[-1]
        # SQLite's one writer may be busy, or PostgreSQL restart.
        yield retry(
            partial(delete, [cart.id for cart in batch], before),
            errors=(OperationalError,),
            recover=lambda _: connection.close_if_unusable_or_obsolete(),
            tries=TRIES,
        )


def delete(ids: list[UUID], before: datetime) -> Purged:
    """Delete those of the carts that still had no activity since, in one transaction.

    Raises django.db.Error.
    """
    with transaction.atomic():
        # Lock the carts' rows in the order of their ids, as the merge does, so that no two wait for
        # each other. PostgreSQL checks a row again once it is locked (manual, 13.2.1). A row that
        # is locked is being merged, erased or purged: it is not worth waiting for.
        chosen = Cart.objects.filter(id__in=ids, updated_at__lt=before).order_by("id")
        locked = list(chosen.select_for_update(skip_locked=True).values_list("id", flat=True))
        return Purged(*(_execute(statement, locked) for statement in _DELETE[connection.vendor]))


def _execute(statement: str, ids: list[UUID]) -> int:
    """Return how many rows were deleted."""
    # Django keeps UUIDs on SQLite as 32 hex digits.
    chosen = ids if connection.vendor == "postgresql" else json.dumps([each.hex for each in ids])
    with connection.cursor() as cursor:
        cursor.execute(statement, [chosen])
        return int(cursor.rowcount)


def _oldest(before: datetime, after: Cart | None, carts: int) -> list[Cart]:
    """Return the next carts in the order of the last activity: at least one, while there are any.

    Start after `after`: deleted rows stay in the index until it is vacuumed, and carts that were
    left would be returned again and again.
    """
    found = Cart.objects.filter(updated_at__lt=before)
    if after:
        found = found.filter(rows_after(("updated_at", "id"), (after.updated_at, after.id)))
    batch: list[Cart] = []
    items = 0
    for cart in found.order_by("updated_at", "id")[:carts]:
        items += cart.item_count
        if batch and items > BATCH_ITEMS:
            break
        batch.append(cart)
    return batch
