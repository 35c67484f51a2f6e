"""The merge: accepted adds become rows, one statement per table for any number of them (R20-R22).

Every field is a last-writer-wins register: the value with the higher version stays. That makes the
merge commutative, associative and idempotent: the same adds in any order, in any batches, any
number of times, by any number of processes at once, give the same rows.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection, transaction
from msgspec import UNSET

from tracker.adds import Record
from tracker.models import NEVER, item_id
from tracker.rows.merge_sql import (
    POSTGRESQL_MERGE,
    SQLITE_COUNT,
    SQLITE_MERGE_CARTS,
    SQLITE_MERGE_ITEMS,
)


class Row(msgspec.Struct):
    """What a batch says of one item. Versions as in Record; NEVER for a field nobody sent."""

    id: UUID
    cart_id: UUID
    product_id: str
    name: str | None
    name_version: int | None
    price: int | None
    price_version: int | None
    first_version: int | None
    last_version: int | None


class CartRow(msgspec.Struct):
    """What a batch says of one cart."""

    id: UUID
    first_version: int | None
    last_version: int | None


class Outcome(NamedTuple):
    """What a merge did to the items: how many rows it made, changed, or left as they were."""

    inserted: int
    changed: int
    unchanged: int


def merge(records: Iterable[Record], *, timeout_ms: int = 0) -> Outcome:
    """Make the rows reflect these adds, in one transaction: all of them, or none.

    Idempotent for records with a version. Safe to run in any number of processes at once: every
    batch takes its row locks in the order of the keys, so no two can wait for each other.
    `timeout_ms` limits each statement on PostgreSQL, waiting for locks included; 0 does not.

    Raises django.db.Error as the database does; nothing is stored then.
    """
    rows = fold(records)
    if not rows:
        return Outcome(0, 0, 0)
    carts, items = _as_json(_carts(rows)), _as_json(rows)
    if connection.vendor == "postgresql":
        inserted, touched = _merge_at_once(carts, items, timeout_ms)
    else:
        inserted, touched = _merge_step_by_step(carts, items)
    return Outcome(inserted, touched - inserted, len(rows) - touched)


def _merge_at_once(carts: str, items: str, timeout_ms: int) -> tuple[int, int]:
    """For PostgreSQL: returns how many items it inserted, and how many it inserted or changed.

    All statements are one message, and so one transaction (manual, "Multiple Statements in a
    Simple Query"). There is one round trip; and a process that freezes half-way holds no lock
    that others would wait for, because for the server there is no half-way.
    """
    # Within somebody else's transaction, a failure may undo no more than this.
    undo = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with undo, connection.cursor() as cursor:
        cursor.execute(POSTGRESQL_MERGE, [timeout_ms, carts, items])
        touched = [is_new for (is_new,) in cursor.fetchall()]
    return sum(touched), len(touched)


def _merge_step_by_step(carts: str, items: str) -> tuple[int, int]:
    """For SQLite, which can't tell an inserted row from a changed one; see _merge_at_once.

    It has one writer at a time, so what is counted first is still true afterwards.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SQLITE_MERGE_CARTS, [carts])
        cursor.execute(SQLITE_COUNT, [items])
        (batch, stored) = cursor.fetchone()
        cursor.execute(SQLITE_MERGE_ITEMS, [items])
        touched = len(cursor.fetchall())
    return batch - stored, touched


def fold(records: Iterable[Record]) -> list[Row]:
    """One row per item, sorted by key: PostgreSQL refuses to touch a row twice in one statement.

    Raises ValueError for two records of one item of which one has no version: what is ordered by
    its arrival can't be ordered within one statement.
    """
    rows: dict[tuple[UUID, str], Row] = {}
    for record in records:
        row = _row(record)
        key = (row.cart_id, row.product_id)
        if key in rows:
            _absorb(rows[key], row)
        else:
            rows[key] = row
    return sorted(rows.values(), key=lambda row: row.id.int)


def _row(record: Record) -> Row:
    add, version = record
    name_sent, price_sent = add.name is not UNSET, add.price is not UNSET
    return Row(
        id=item_id(add.cart_id, add.product_id),
        cart_id=add.cart_id,
        product_id=add.product_id,
        name=add.name if name_sent else None,  # type: ignore[arg-type]
        name_version=version if name_sent else NEVER,
        price=add.price if price_sent else None,  # type: ignore[arg-type]
        price_version=version if price_sent else NEVER,
        first_version=version,
        last_version=version,
    )


def _absorb(row: Row, other: Row) -> None:
    """Merge another record of the same item into a row, by the rule of the statement below."""
    if _known(other.name_version) > _known(row.name_version):
        row.name, row.name_version = other.name, other.name_version
    if _known(other.price_version) > _known(row.price_version):
        row.price, row.price_version = other.price, other.price_version
    row.first_version = min(_known(row.first_version), _known(other.first_version))
    row.last_version = max(_known(row.last_version), _known(other.last_version))


def _known(version: int | None) -> int:
    if version is None:
        raise ValueError("Two adds to one cart in a batch need versions to be ordered by.")
    return version


def _carts(rows: list[Row]) -> list[CartRow]:
    """One row per cart, sorted by key."""
    carts: dict[UUID, CartRow] = {}
    for row in rows:
        cart = carts.get(row.cart_id)
        if cart is None:
            carts[row.cart_id] = CartRow(row.cart_id, row.first_version, row.last_version)
        else:
            cart.first_version = min(_known(cart.first_version), _known(row.first_version))
            cart.last_version = max(_known(cart.last_version), _known(row.last_version))
    return sorted(carts.values(), key=lambda cart: cart.id.int)


def _as_json(rows: list[Any]) -> str:
    return msgspec.json.encode(rows).decode()
