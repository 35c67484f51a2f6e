"""Puts right what the triggers of tally_sql.py have not counted: what was there before them."""

from uuid import UUID

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tracker.online import patience

CHUNK_CARTS = 1000
_NO_CART = UUID(int=0).hex  # No cart has it, and both databases put all others after it.
_SHARD = -1  # No connection counts in it (tally_sql.py).

_LOCK_NEXT_CARTS = "SELECT id FROM tracker_cart WHERE id > %s ORDER BY id LIMIT %s"
# What has the wrong count is older than the triggers, and so among the carts that were locked. What
# has come since is right.
_COUNTED = (
    "SELECT count(*), COALESCE({sum}(price), 0) FROM tracker_item WHERE cart_id = tracker_cart.id"
)
_RECOUNT_CARTS = """
    UPDATE tracker_cart
    SET (item_count, value) = ({counted})
    WHERE id > %s AND id <= %s AND (item_count, value) <> ({counted})
"""
# One statement, and so one moment's look at the rows and at what is counted of them.
_ADD_WHAT_IS_MISSING = """
    INSERT INTO tracker_tally AS tally
        (bucket, shard, new_carts, new_items, seen_carts, seen_value)
    SELECT bucket, {shard}, sum(new_carts), sum(new_items), sum(seen_carts), {sum}(seen_value)
    FROM (
        SELECT {created} AS bucket, 1 AS new_carts, 0 AS new_items, 0 AS seen_carts, 0 AS seen_value
        FROM tracker_cart
        UNION ALL SELECT {updated}, 0, 0, 1, value FROM tracker_cart
        UNION ALL SELECT {created}, 0, 1, 0, 0 FROM tracker_item
        UNION ALL SELECT bucket, -new_carts, -new_items, -seen_carts, -seen_value FROM tracker_tally
    ) AS share
    GROUP BY bucket
    HAVING sum(new_carts) <> 0 OR sum(new_items) <> 0
        OR sum(seen_carts) <> 0 OR {sum}(seen_value) <> 0
    ON CONFLICT (bucket, shard) DO UPDATE
    SET new_carts = tally.new_carts + excluded.new_carts,
        new_items = tally.new_items + excluded.new_items,
        seen_carts = tally.seen_carts + excluded.seen_carts,
        seen_value = tally.seen_value + excluded.seen_value
"""
# SQLite's sum fails beyond 64 bits, which a cart's value can be (tracker/models.py).
_SPELLED = {
    "postgresql": {
        "sum": "sum",
        "created": "date_bin('10 minutes', created_at, 'epoch')",
        "updated": "date_bin('10 minutes', updated_at, 'epoch')",
    },
    "sqlite": {
        "sum": "total",
        "created": "substr(created_at, 1, 15) || '0:00'",
        "updated": "substr(updated_at, 1, 15) || '0:00'",
    },
}


def recount(connection: BaseDatabaseWrapper) -> None:
    """Make all counts those of the rows, while others write, if the triggers are in place.

    What is missing is then the same at every moment, because the triggers move rows and counts
    together: it is found in one moment's look at both, and added. Idempotent. Reads both tables as
    a whole, and locks no more than a thousand carts at a time. Raises django.db.Error.
    """
    with patience(connection):
        last = _NO_CART
        while found := _recount_next_carts(connection, last):
            last = found
        with connection.cursor() as cursor:
            spelled = _SPELLED[connection.vendor]
            cursor.execute(_ADD_WHAT_IS_MISSING.format(shard=_SHARD, **spelled))


def _recount_next_carts(connection: BaseDatabaseWrapper, after: str) -> str | None:
    """Those that follow in the order of the ids; returns the last one's, None if there are none.

    Locked first, in the order in which a merge locks them: so no two wait for each other.
    """
    lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
    with transaction.atomic(connection.alias), connection.cursor() as cursor:
        cursor.execute(_LOCK_NEXT_CARTS + lock, [after, CHUNK_CARTS])
        carts = [str(cart_id) for (cart_id,) in cursor.fetchall()]
        if not carts:
            return None
        counted = _COUNTED.format_map(_SPELLED[connection.vendor])
        cursor.execute(_RECOUNT_CARTS.format(counted=counted), [after, carts[-1]])
    return carts[-1]
