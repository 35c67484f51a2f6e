"""The merge: turn accepted adds into rows, with one statement per table (R20-R22).

Every field is a last-writer-wins register: the value with the higher version stays. So the merge is
commutative, associative and idempotent: the same adds in any order, in any batches, any number of
times, by any number of processes at once, give the same rows.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection, transaction
from msgspec import UNSET

from tracker.adds import Record
from tracker.cart_ids import item_id
from tracker.models import NEVER
from tracker.rows.merge_sql import (
    POSTGRESQL_MERGE,
    SQLITE_COUNT,
    SQLITE_MERGE_CARTS,
    SQLITE_MERGE_ITEMS,
)


class Row(msgspec.Struct):
    """What a batch says about one item. Versions as in Record; NEVER for a field not sent."""

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
    """What a batch says about one cart."""

    id: UUID
    first_version: int | None
    last_version: int | None


class Outcome(NamedTuple):
    """How many item rows a merge inserted, changed, or left as they were."""

    inserted: int
    changed: int
    unchanged: int


def merge(records: Iterable[Record], *, timeout_ms: int = 0) -> Outcome:
    """Make the rows reflect these adds, in one transaction: all or none.

    Idempotent for records with a version. Safe to run in any number of processes at once: every
    batch takes its row locks in the order of the keys, so no two can wait for each other.
    `timeout_ms` limits each statement on PostgreSQL, including waits for locks; 0 sets no limit.

    Raises django.db.Error; nothing is stored then.
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
    """Merge on PostgreSQL; return how many items were inserted, and how many inserted or changed.

    All statements are one message, and so one transaction (manual, "Multiple Statements in a
    Simple Query"). There is one round trip, and a process that freezes never holds a lock that
    others wait for.
    """
    # Within a caller's transaction, a failure must undo only this.
    undo = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with undo, connection.cursor() as cursor:
        cursor.execute(POSTGRESQL_MERGE, [timeout_ms, carts, items])
        touched = [is_new for (is_new,) in cursor.fetchall()]
    return sum(touched), len(touched)


def _merge_step_by_step(carts: str, items: str) -> tuple[int, int]:
    """Merge on SQLite; return the same as _merge_at_once.

    SQLite can't tell an inserted row from a changed one, so the stored ones are counted before. It
    has one writer at a time, so the count stays true.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SQLITE_MERGE_CARTS, [carts])
        cursor.execute(SQLITE_COUNT, [items])
        (batch, stored) = cursor.fetchone()
        cursor.execute(SQLITE_MERGE_ITEMS, [items])
        touched = len(cursor.fetchall())
    return batch - stored, touched


def fold(records: Iterable[Record]) -> list[Row]:
    """Fold records to one row per item, sorted by key.

    PostgreSQL refuses to change a row twice in one statement.

    Records without a version are in the order of their arrival. Raises ValueError for two records
    of one item or cart of which only one has a version: their order is unknown.
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
    """Merge another record of the same item into a row, by the same rule as the statements."""
    _absorb_span(row, other)
    if _is_newer(other.name_version, row.name_version):
        row.name, row.name_version = other.name, other.name_version
    if _is_newer(other.price_version, row.price_version):
        row.price, row.price_version = other.price, other.price_version


def _is_newer(version: int | None, than: int | None) -> bool:
    """Compare the versions of one member. None is the moment of arrival, so it comes last."""
    return version is None or (than is not None and version > than)


def _absorb_span(row: Row | CartRow, other: Row) -> None:
    """Extend the first and last version. Raises ValueError if only one of them is known."""
    ours, theirs = (row.first_version, row.last_version), (other.first_version, other.last_version)
    if ours == theirs == (None, None):
        return
    if None in (*ours, *theirs):
        raise ValueError("Two adds to one cart in a batch need versions, both or neither.")
    row.first_version = min(ours[0] or 0, theirs[0] or 0)
    row.last_version = max(ours[1] or 0, theirs[1] or 0)


def _carts(rows: list[Row]) -> list[CartRow]:
    """Fold rows of items to one row per cart, sorted by key."""
    carts: dict[UUID, CartRow] = {}
    for row in rows:
        cart = carts.get(row.cart_id)
        if cart is None:
            carts[row.cart_id] = CartRow(row.cart_id, row.first_version, row.last_version)
        else:
            _absorb_span(cart, row)
    return sorted(carts.values(), key=lambda cart: cart.id.int)


def _as_json(rows: list[Any]) -> str:
    return msgspec.json.encode(rows).decode()
