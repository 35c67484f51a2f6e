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
    sql = _SQL[connection.vendor]
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


# -- The statements --------------------------------------------------------------------------------
# The batch comes as one JSON parameter, in one shape for both databases, and becomes a table there.
# Names in braces stand for what the two databases spell differently; nothing from outside is ever
# put into the text. A version of NULL means: on arrival. It becomes the time of the transaction,
# or the version after the newest that the row holds, whichever is higher.

_MERGE_CARTS = """
INSERT INTO tracker_cart AS stored (id, created_at, updated_at)
SELECT id, {first_at}, {last_at}
FROM (
    SELECT id,
           COALESCE(first_version, {now_ns}) AS first_version,
           COALESCE(last_version, {now_ns}) AS last_version
    FROM {batch_of_carts}
) AS incoming
WHERE true
ON CONFLICT (id) DO UPDATE
SET created_at = {least}(stored.created_at, excluded.created_at),
    updated_at = {greatest}(stored.updated_at, excluded.updated_at)
"""

_MERGE_ITEMS = """
WITH batch AS (
    SELECT batch.*,
           CASE WHEN last_version IS NULL THEN {greatest}({now_ns}, COALESCE((
               SELECT {greatest}(stored.name_version, stored.price_version) + 1
               FROM tracker_item AS stored
               WHERE stored.id = batch.id
           ), 0)) END AS arrival
    FROM {batch_of_items} AS batch
), incoming AS (
    SELECT id, cart_id, product_id, name, price,
           COALESCE(name_version, arrival) AS name_version,
           COALESCE(price_version, arrival) AS price_version,
           COALESCE(first_version, arrival) AS first_version,
           COALESCE(last_version, arrival) AS last_version
    FROM batch
)
INSERT INTO tracker_item AS stored (
    id, cart_id, product_id, name, name_version, price, price_version, created_at, updated_at
)
SELECT id, cart_id, product_id, name, name_version, price, price_version, {first_at}, {last_at}
FROM incoming
WHERE true
ON CONFLICT (id) DO UPDATE
SET name = CASE WHEN excluded.name_version > stored.name_version
                THEN excluded.name ELSE stored.name END,
    name_version = {greatest}(stored.name_version, excluded.name_version),
    price = CASE WHEN excluded.price_version > stored.price_version
                 THEN excluded.price ELSE stored.price END,
    price_version = {greatest}(stored.price_version, excluded.price_version),
    created_at = {least}(stored.created_at, excluded.created_at),
    updated_at = {greatest}(stored.updated_at, excluded.updated_at)
WHERE excluded.name_version > stored.name_version
   OR excluded.price_version > stored.price_version
   OR excluded.created_at < stored.created_at
   OR excluded.updated_at > stored.updated_at
RETURNING {is_new}
"""

# For SQLite, which can't tell a row that was made from one that was changed, and has one writer.
_COUNT_STORED = """
SELECT count(*) FROM tracker_item WHERE id IN (SELECT id FROM {batch_of_items})
"""

_POSTGRESQL = {
    # A row version that no transaction has replaced or locked yet (manual, 5.6).
    "is_new": "(xmax = 0)::int",
    "greatest": "GREATEST",
    "least": "LEAST",
    "now_ns": "(EXTRACT(EPOCH FROM now()) * 1000000)::bigint * 1000",
    # Whole microseconds, which is what a timestamp holds; a float of seconds would not be exact.
    "first_at": "timestamptz 'epoch' + first_version / 1000 * interval '1 microsecond'",
    "last_at": "timestamptz 'epoch' + last_version / 1000 * interval '1 microsecond'",
    "batch_of_carts": (
        "json_to_recordset(%s) AS batch (id uuid, first_version bigint, last_version bigint)"
    ),
    "batch_of_items": (
        "(SELECT * FROM json_to_recordset(%s) AS batch (id uuid, cart_id uuid, product_id text,"
        " name text, name_version bigint, price bigint, price_version bigint,"
        " first_version bigint, last_version bigint))"
    ),
}


def _sqlite_batch(*columns: str) -> str:
    """The JSON parameter as a table. Django keeps UUIDs on SQLite as 32 hex digits."""
    selected = []
    for column in columns:
        kind, _, name = column.rpartition(" ")
        value = f"json_extract(value, '$.{name}')"
        selected.append(f"replace({value}, '-', '') AS {name}" if kind else f"{value} AS {name}")
    return f"(SELECT {', '.join(selected)} FROM json_each(%s))"  # noqa: S608  Our own names.


# Django keeps times on SQLite as text with microseconds. (%% is a percent sign to the driver.)
_SQLITE_TIME = (
    "strftime('%%Y-%%m-%%d %%H:%%M:%%S', {0} / 1000000000, 'unixepoch')"
    " || printf('.%%06d', {0} / 1000 %% 1000000)"
)
_SQLITE = {
    "is_new": "NULL",
    "greatest": "MAX",
    "least": "MIN",
    "now_ns": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000",
    "first_at": _SQLITE_TIME.format("first_version"),
    "last_at": _SQLITE_TIME.format("last_version"),
    "batch_of_carts": _sqlite_batch("uuid id", "first_version", "last_version"),
    "batch_of_items": _sqlite_batch(
        "uuid id",
        "uuid cart_id",
        "product_id",
        "name",
        "name_version",
        "price",
        "price_version",
        "first_version",
        "last_version",
    ),
}


class _Statements(NamedTuple):
    merge_carts: str
    merge_items: str
    count_stored: str | None


_SQL = {
    "postgresql": _Statements(
        _MERGE_CARTS.format_map(_POSTGRESQL), _MERGE_ITEMS.format_map(_POSTGRESQL), None
    ),
    "sqlite": _Statements(
        _MERGE_CARTS.format_map(_SQLITE),
        _MERGE_ITEMS.format_map(_SQLITE),
        _COUNT_STORED.format_map(_SQLITE),
    ),
}
