"""Erase a cart: its rows and dead letters now, and its records that still wait somewhere.

First a tombstone: records that were accepted up to its version no longer become rows. Then the rows
are deleted in several transactions, so that a cart of any size holds no lock for long. Every step
is idempotent: run an interrupted erasure again.
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
    """What was deleted."""

    carts: int
    items: int
    dead_letters: int


def erase(cart_id: UUID) -> Receipt:
    """Delete the cart and everything stored about it. Older records do not bring it back.

    Idempotent. An add that is accepted from now on creates the cart again, without anything old.
    Raises django.db.Error; what is deleted by then stays deleted, and a new call continues.
    """
    return delete(cart_id, until=put_tombstone(cart_id))


def put_tombstone(cart_id: UUID) -> int:
    """Put a tombstone, and return its version. No merge that has not seen it is still running.

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
    """Delete what was accepted up to the version of a tombstone. Like `erase` in all else."""
    items = _delete_items(cart_id, moment(until))
    letters, _ = dead_letters_of(cart_id).delete()
    return Receipt(_delete_cart(cart_id, until), items, letters)


def covers(cart_id: UUID, version: int) -> bool:
    """Return whether a record with this version was erased.

    Call it in a transaction: until its end, no erasure can begin. Raises django.db.Error.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [MERGE_LOCK])
    return Tombstone.objects.filter(cart_id=cart_id, version__gte=version).exists()


def moment(version: int) -> datetime:
    """Return the time of a version in whole microseconds, as rows store it."""
    return from_us(version // 1000)


def dead_letters_of(cart_id: UUID) -> QuerySet[DeadLetter]:
    """Return the dead letters of a cart, found by the text of their records (record.py)."""
    return DeadLetter.objects.filter(record__contains=f'"c":"{cart_id}"')


def _newest_version(cart_id: UUID) -> int:
    """Return the version of now, or that of the cart's newest data if a clock was ahead.

    It is the last version within its microsecond, because rows store microseconds.
    """
    known = Cart.objects.filter(id=cart_id).values_list("updated_at", flat=True).first()
    known_us = to_us(known) if known else 0
    erased = Tombstone.objects.filter(cart_id=cart_id).values_list("version", flat=True).first()
    return max(max(time.time_ns() // 1000, known_us) * 1000 + 999, erased or 0)


def _delete_items(cart_id: UUID, until: datetime) -> int:
    """Delete the items that were not added again since, in chunks. Return how many."""
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
    """Delete the cart. If it was created again meanwhile, remove what is older. Return 1 or 0."""
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
    """Lock the cart's row first, as the merge does, so that no two wait for each other."""
    list(Cart.objects.select_for_update().filter(id=cart_id).values_list("pk"))
