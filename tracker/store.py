"""The merge: accepted adds become rows, one statement per table for any number of them (R20-R22).

Every field is a last-writer-wins register: the value with the higher version stays. That makes the
merge commutative, associative and idempotent: the same adds in any order, in any batches, any
number of times, by any number of processes at once, give the same rows.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import DatabaseError, connection, transaction
from django.db.backends.utils import CursorWrapper
from msgspec import UNSET

from tracker.merge_sql import STATEMENTS
from tracker.models import NEVER, item_id
from tracker.payload import Add


class Record(NamedTuple):
    """An accepted add, with its place in the order of acceptance.

    `version` is the acceptance time in nanoseconds since 1970, strictly rising at the intake that
    gave it. None lets the database give it on arrival, which orders the adds that are written
    directly: after everything that their row holds already, even if a clock was set back.
    """

    add: Add
    version: int | None


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


def merge(records: Iterable[Record], *, timeout_ms: int | None = None) -> Outcome:
    """Make the rows reflect these adds, in one transaction: all of them, or none.

    Idempotent for records with a version. Safe to run in any number of processes at once: every
    batch takes its row locks in the order of the keys, so no two can wait for each other.
    `timeout_ms` limits each statement on PostgreSQL, waiting for locks included.

    Raises django.db.Error as the database does; nothing is stored then.
    """
    rows = fold(records)
    if not rows:
        return Outcome(0, 0, 0)
    sql = STATEMENTS[connection.vendor]
    with transaction.atomic(), _no_reconnecting(), connection.cursor() as cursor:
        if timeout_ms is not None and connection.vendor == "postgresql":
            cursor.execute("SET LOCAL statement_timeout = %s", [timeout_ms])
        cursor.execute(sql.merge_carts, [_as_json(_carts(rows))])
        batch = [_as_json(rows)]
        stored = _scalar(cursor, sql.count_stored, batch) if sql.count_stored else None
        cursor.execute(sql.merge_items, batch)
        touched = [is_new for (is_new,) in cursor.fetchall()]
    inserted = sum(touched) if stored is None else len(rows) - stored
    return Outcome(inserted, len(touched) - inserted, len(rows) - len(touched))


def _scalar(cursor: CursorWrapper, sql: str, params: list[Any]) -> Any:
    cursor.execute(sql, params)
    return cursor.fetchone()[0]


@contextmanager
def _no_reconnecting() -> Iterator[None]:
    """Let a transaction end at once when its connection has died.

    Without this, Django connects anew on the way out, only to restore the autocommit mode: with a
    database that does not answer, that is a second wait of the same length.
    """
    try:
        yield
    except DatabaseError:
        if getattr(connection.connection, "closed", False):  # psycopg2 knows, without asking.
            connection.close()
        raise


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
    return sorted(rows.values(), key=lambda row: row.id)


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
    return sorted(carts.values(), key=lambda cart: cart.id)


def _as_json(rows: list[Any]) -> str:
    return msgspec.json.encode(rows).decode()
