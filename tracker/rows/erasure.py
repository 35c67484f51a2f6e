"""Erasing a cart: all that is kept of it, now, and what of it still waits somewhere.

In two steps. A tombstone says up to when what was accepted must not become rows any more; then the
rows are deleted, in transactions of their own, so that a cart of any size holds no lock for long.
What dies in between can be begun anew: every step may be repeated.
"""

import time
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest

from tracker.models import NEVER, Cart, DeadLetter, Item, Tombstone
from tracker.rows.merge_sql import MERGE_LOCK
from tracker.rows.times import from_us, to_us

CHUNK_ROWS = 1000


class Receipt(NamedTuple):
    """What was there and is gone."""

    carts: int
    items: int
    dead_letters: int


def erase(cart_id: UUID) -> Receipt:
    """Delete the cart and all that is kept of it; what was accepted before does not bring it back.

    Idempotent. What is accepted from now on makes the cart anew, with nothing of before in it.
    Raises django.db.Error; what is deleted by then stays deleted, and calling again goes on.
    """
    return delete(cart_id, until=put_tombstone(cart_id))


def put_tombstone(cart_id: UUID) -> int:
    """Put the tombstone; no merge that has not seen it goes on afterwards. Returns its version.

    Raises django.db.Error.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [MERGE_LOCK])
        version = _newest_version(cart_id)
        Tombstone.objects.bulk_create(
            [Tombstone(cart_id=cart_id, version=version)],
            update_conflicts=True,
            unique_fields=["cart_id"],
            update_fields=["version"],
        )
    return version


def delete(cart_id: UUID, *, until: int) -> Receipt:
    """Delete what was accepted up to that version, which must be a tombstone's. As `erase`."""
    items = _delete_items(cart_id, moment(until))
    letters, _ = dead_letters_of(cart_id).delete()
    return Receipt(_delete_cart(cart_id, until), items, letters)


def covers(cart_id: UUID, version: int) -> bool:
    """Whether what was accepted then was erased. If not, it stays so until the transaction's end.

    Call it in one. Raises django.db.Error.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [MERGE_LOCK])
    return Tombstone.objects.filter(cart_id=cart_id, version__gte=version).exists()


def moment(version: int) -> datetime:
    """The time of a version, in the microseconds in which rows keep it."""
    return from_us(version // 1000)


def dead_letters_of(cart_id: UUID) -> QuerySet[DeadLetter]:
    """Those of a cart, by the text of their records (tracker/intake/record.py)."""
    return DeadLetter.objects.filter(record__contains=f'"c":"{cart_id}"')


def _newest_version(cart_id: UUID) -> int:
    """The version of now, or of what is known of the cart if a clock has put that later.

    The last one within its microsecond, because rows keep their times in these.
    """
    known = Cart.objects.filter(id=cart_id).values_list("updated_at", flat=True).first()
    known_us = to_us(known) if known else 0
    erased = Tombstone.objects.filter(cart_id=cart_id).values_list("version", flat=True).first()
    return max(max(time.time_ns() // 1000, known_us) * 1000 + 999, erased or 0)


def _delete_items(cart_id: UUID, until: datetime) -> int:
    """Delete the items that nobody has added since, in chunks."""
    deleted = 0
    while True:
        found = Item.objects.filter(cart_id=cart_id, updated_at__lte=until)
        chunk = list(found.values_list("pk", flat=True)[:CHUNK_ROWS])
        if not chunk:
            return deleted
        with transaction.atomic():
            _lock(cart_id)
            gone, _ = found.filter(pk__in=chunk).delete()
        deleted += gone


def _delete_cart(cart_id: UUID, version: int) -> int:
    """Delete the cart; if it was made anew meanwhile, take away what is left of before."""
    with transaction.atomic():
        _lock(cart_id)
        new = Item.objects.filter(cart_id=cart_id)
        new.filter(name_version__lte=version).update(name=None, name_version=NEVER)
        new.filter(price_version__lte=version).update(price=None, price_version=NEVER)
        after = moment(version) + timedelta(microseconds=1)
        new.update(created_at=Greatest(F("created_at"), after))
        Cart.objects.filter(id=cart_id).update(created_at=Greatest(F("created_at"), after))
        gone, _ = Cart.objects.filter(id=cart_id, updated_at__lt=after).delete()
    return gone


def _lock(cart_id: UUID) -> None:
    """The cart's row first, as the merge takes it: so no two wait for each other."""
    list(Cart.objects.select_for_update().filter(id=cart_id).values_list("pk"))
