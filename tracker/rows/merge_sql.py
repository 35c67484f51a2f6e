"""The statements of the merge, for PostgreSQL and SQLite.

The batch is one JSON parameter of the same form for both databases, which turn it into a table.
Names in braces stand for what the two databases spell differently; no text from outside is ever
inserted. A version of NULL means "on arrival": it becomes the time of the transaction, or the
version after the newest one in the row, whichever is higher.

What was accepted before its cart was erased is ignored (models.Tombstone): the whole row if nothing
in it is newer, else the older members.
"""

_MERGE_CARTS = """
INSERT INTO tracker_cart AS stored (id, created_at, updated_at)
SELECT id, {first_at}, {last_at}
FROM (
    SELECT batch.id,
           COALESCE(
               CASE WHEN first_version <= erased.version THEN last_version ELSE first_version END,
               {now_ns}
           ) AS first_version,
           COALESCE(last_version, {now_ns}) AS last_version
    FROM {batch_of_carts} AS batch
    LEFT JOIN tracker_tombstone AS erased ON erased.cart_id = batch.id
    WHERE NOT COALESCE(last_version <= erased.version, FALSE)
) AS incoming
WHERE true
ON CONFLICT (id) DO UPDATE {cart_is_there}
"""

_MERGE_ITEMS = """
WITH alive AS (
    SELECT batch.*, COALESCE(erased.version, -1) AS erased_version
    FROM {batch_of_items} AS batch
    LEFT JOIN tracker_tombstone AS erased ON erased.cart_id = batch.cart_id
    WHERE NOT COALESCE(batch.last_version <= erased.version, FALSE)
), batch AS (
    SELECT id, cart_id, product_id,
           CASE WHEN name_version <= erased_version THEN NULL ELSE name END AS name,
           CASE WHEN name_version <= erased_version THEN -1 ELSE name_version END AS name_version,
           CASE WHEN price_version <= erased_version THEN NULL ELSE price END AS price,
           CASE WHEN price_version <= erased_version THEN -1 ELSE price_version END
               AS price_version,
           CASE WHEN first_version <= erased_version THEN last_version ELSE first_version END
               AS first_version,
           last_version,
           CASE WHEN last_version IS NULL THEN {greatest}({now_ns}, COALESCE((
               SELECT {greatest}(stored.name_version, stored.price_version) + 1
               FROM tracker_item AS stored
               WHERE stored.id = alive.id
           ), 0)) END AS arrival
    FROM alive
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

# How many items of the batch are not left out, and how many of them are stored already.
_COUNT = """
SELECT count(*), count(stored.id)
FROM {batch_of_items} AS batch
LEFT JOIN tracker_item AS stored USING (id)
LEFT JOIN tracker_tombstone AS erased ON erased.cart_id = batch.cart_id
WHERE NOT COALESCE(batch.last_version <= erased.version, FALSE)
"""

_POSTGRESQL = {
    # Only locked (manual, INSERT, "conflict_action"): the items' triggers bring it up to date.
    "cart_is_there": "SET id = stored.id WHERE FALSE",
    # A row version that no transaction has replaced or locked yet (manual, 5.6).
    "is_new": "(xmax = 0)::int",
    "greatest": "GREATEST",
    "least": "LEAST",
    "now_ns": "(EXTRACT(EPOCH FROM now()) * 1000000)::bigint * 1000",
    # Whole microseconds, which is what a timestamp holds; a float of seconds would not be exact.
    "first_at": "timestamptz 'epoch' + first_version / 1000 * interval '1 microsecond'",
    "last_at": "timestamptz 'epoch' + last_version / 1000 * interval '1 microsecond'",
    "batch_of_carts": (
        "(SELECT * FROM json_to_recordset(%s) AS batch"
        " (id uuid, first_version bigint, last_version bigint))"
    ),
    "batch_of_items": (
        "(SELECT * FROM json_to_recordset(%s) AS batch (id uuid, cart_id uuid, product_id text,"
        " name text, name_version bigint, price bigint, price_version bigint,"
        " first_version bigint, last_version bigint))"
    ),
}


def _sqlite_batch(*columns: str) -> str:
    """Return the JSON parameter as a table. On SQLite, Django stores UUIDs as 32 hex digits."""
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
    "cart_is_there": (
        "SET created_at = MIN(stored.created_at, excluded.created_at),"
        " updated_at = MAX(stored.updated_at, excluded.updated_at)"
    ),
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


# Merges and the keeping of dead letters share this lock. An erasure takes it exclusively for a
# moment: then each transaction that has not seen the tombstone has ended (rows/erasure.py).
MERGE_LOCK = 0x6361727473

# One message with all statements (see merge.py). Parameters: the time limit of each statement in
# milliseconds, the carts, the items.
POSTGRESQL_MERGE = ";".join(
    [
        "SET LOCAL statement_timeout = %s",
        f"SELECT pg_advisory_xact_lock_shared({MERGE_LOCK})",
        _MERGE_CARTS.format_map(_POSTGRESQL),
        _MERGE_ITEMS.format_map(_POSTGRESQL),
    ]
)

SQLITE_MERGE_CARTS = _MERGE_CARTS.format_map(_SQLITE)
SQLITE_MERGE_ITEMS = _MERGE_ITEMS.format_map(_SQLITE)
SQLITE_COUNT = _COUNT.format_map(_SQLITE)
