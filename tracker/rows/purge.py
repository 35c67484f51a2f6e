"""Deletes carts that nobody has used for long, with their items: what is kept has an end.

A purged cart gets no tombstone (models.Tombstone). Nobody has asked to be forgotten, it is only
old; and a tombstone is kept for ever, so that one for each cart would grow without an end again. A
late entry of an intake makes such a cart anew, with the times at which it was accepted: it is as
old as before, and the next purge takes it.
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

# The carts go before their items, which the foreign key allows until the commit: so the triggers
# find no cart to take each item away from. It takes half the time of the other order.
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
    """How many were deleted, or would be."""

    carts: int
    items: int


class AgeError(ValueError):
    """A text that is no age; the error's text says in one line what would be."""


def read_age(text: str) -> timedelta:
    """ "12h", "90d" or "2w", from an hour to a hundred years. Raises AgeError."""
    found = _AGE.fullmatch(text.strip())
    age = int(found[1]) * _UNITS[found[2]] if found else timedelta()
    if not timedelta() < age <= _LONGEST:
        raise AgeError(
            f"{text!r} is no age: use a whole number from 1 on with h, d or w for hours, days or"
            " weeks, like 90d (up to 36500d)."
        )
    return age


def count(before: datetime) -> Purged:
    """How many carts had their last activity before that, and what they hold; changes nothing."""
    found = Cart.objects.filter(updated_at__lt=before)
    totals = found.aggregate(carts=Count("id"), items=Sum("item_count", default=0))
    return Purged(totals["carts"], totals["items"])


def purge(before: datetime, *, batch_carts: int = BATCH_CARTS) -> Iterator[Purged]:
    """Delete the carts whose last activity was before that; tells after each batch what is gone.

    A batch is one short transaction, so this may end or be killed at any moment: calling again goes
    on. Any number of processes may do it at once, and what a storefront adds meanwhile keeps its
    cart. A cart that somebody else is writing to is left for the next time.

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
    """Delete those of the carts that are still without activity since; all of them, or none.

    Raises django.db.Error.
    """
    with transaction.atomic():
        # The carts' rows first, in the order of their ids, as the merge takes them: so no two wait
        # for each other. PostgreSQL looks at a row again once it has locked it (manual, 13.2.1). A
        # row that is locked is being merged, erased or purged: waiting for that would be no use.
        chosen = Cart.objects.filter(id__in=ids, updated_at__lt=before).order_by("id")
        locked = list(chosen.select_for_update(skip_locked=True).values_list("id", flat=True))
        return Purged(*(_execute(statement, locked) for statement in _DELETE[connection.vendor]))


def _execute(statement: str, ids: list[UUID]) -> int:
    """Returns how many rows there were."""
    # Django keeps UUIDs on SQLite as 32 hex digits.
    chosen = ids if connection.vendor == "postgresql" else json.dumps([each.hex for each in ids])
    with connection.cursor() as cursor:
        cursor.execute(statement, [chosen])
        return int(cursor.rowcount)


def _oldest(before: datetime, after: Cart | None, carts: int) -> list[Cart]:
    """The next in the order of the last activity; one at least, while there are any.

    Only those behind `after`: what was deleted is in the index until it is vacuumed, and what was
    left would come up again and again.
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
