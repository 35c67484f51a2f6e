"""Triggers that keep the counts: each cart's items and value, and the tallies (tracker/models.py).

On PostgreSQL they also keep each cart's times, which are those of its items.

The database itself keeps them, so that they are exact whoever writes: the merge, a replay of what
was merged already (which changes no row, and so no count), an erasure, or a person with psql. Every
row has a share in the counts that depends on nothing but the row. A change takes the old row's
share away and adds the new one's.

On PostgreSQL once for each statement, whatever the number of its rows (CREATE TRIGGER, "transition
tables"); on SQLite, which has no such thing, once for each row.

A migration that makes one of the two tables anew, as SQLite does for most changes of a table's
form, drops their triggers: it must end with `install`.
"""

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Connections that write at the same time count in different rows: they do not wait for each other,
# in whatever order one transaction comes to its rows. The first lock of this class that is free is
# the connection's, until it ends, and the lock's number is its shard.
_SHARD_LOCKS = 0x74616C6C
_MY_SHARD = f"""
    mine := NULLIF(current_setting('tracker.shard', true), '');
    IF mine IS NULL THEN
        mine := 0;
        WHILE NOT pg_try_advisory_lock({_SHARD_LOCKS}, mine) LOOP
            mine := mine + 1;
        END LOOP;
        PERFORM set_config('tracker.shard', mine::text, false);
    END IF;
"""

_TALLIED = ("new_carts", "new_items", "seen_carts", "seen_value")


def install(editor: BaseDatabaseSchemaEditor) -> None:
    """Make the triggers, anew if they are there already. They count from now on."""
    for statement in _STATEMENTS[editor.connection.vendor]:
        editor.execute(statement, None)


def remove(editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers; what they have counted stays."""
    for statement in _REMOVALS[editor.connection.vendor]:
        editor.execute(statement, None)


# -- PostgreSQL ------------------------------------------------------------------------------------
# What changed, as rows with a sign. An UPDATE has both; the others have one of the two tables.
_SIGNED = {
    "INSERT": "SELECT 1 AS sign, * FROM new_rows",
    "DELETE": "SELECT -1 AS sign, * FROM old_rows",
    "UPDATE": "SELECT 1 AS sign, * FROM new_rows UNION ALL SELECT -1, * FROM old_rows",
}
_REFERENCING = {
    "INSERT": "NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
    "UPDATE": "NEW TABLE AS new_rows OLD TABLE AS old_rows",
}

# In the order of the keys, as all locks are taken (tracker/rows/merge.py). A change within one bucket
# adds up to nothing, and writes nothing.
_ADD_TO_TALLY = """
    INSERT INTO tracker_tally AS tally (bucket, shard, {columns})
    SELECT bucket, mine, {sums}
    FROM ({shares}) AS share (bucket, {columns})
    GROUP BY bucket
    HAVING {any_change}
    ORDER BY bucket
    ON CONFLICT (bucket, shard) DO UPDATE SET {additions};
"""

_CART_SHARES = """
    SELECT date_bin('10 minutes', created_at, 'epoch'), sign, 0, 0, 0 FROM changed
    UNION ALL
    SELECT date_bin('10 minutes', updated_at, 'epoch'), 0, 0, sign, sign * value FROM changed
"""
_ITEM_SHARES = """
    SELECT date_bin('10 minutes', created_at, 'epoch'), 0, sign, 0, 0 FROM changed
"""

# The cart's times, too: its row is written once for all that a statement does to its items. What an
# index has of it, the last activity, is what costs most (tracker/rows/merge_sql.py takes its lock only).
_ADD_TO_CARTS = """
    WITH changed AS ({signed})
    UPDATE tracker_cart AS cart
    SET item_count = cart.item_count + share.items,
        value = cart.value + share.value,
        created_at = LEAST(cart.created_at, share.created_at),
        updated_at = GREATEST(cart.updated_at, share.updated_at)
    FROM (
        SELECT cart_id,
               sum(sign) AS items,
               sum(sign * COALESCE(price, 0)) AS value,
               min(created_at) FILTER (WHERE sign = 1) AS created_at,
               max(updated_at) FILTER (WHERE sign = 1) AS updated_at
        FROM changed
        GROUP BY cart_id
    ) AS share
    WHERE cart.id = share.cart_id AND (
        share.items <> 0
        OR share.value <> 0
        OR share.created_at < cart.created_at
        OR share.updated_at > cart.updated_at
    );
"""


def _add_to_tally(signed: str, shares: str) -> str:
    return f"WITH changed AS ({signed})" + _ADD_TO_TALLY.format(
        shares=shares,
        columns=", ".join(_TALLIED),
        sums=", ".join(f"sum({name})" for name in _TALLIED),
        any_change=" OR ".join(f"sum({name}) <> 0" for name in _TALLIED),
        additions=", ".join(f"{name} = tally.{name} + excluded.{name}" for name in _TALLIED),
    )


# A connection keeps the plan that it made when the tables were small, and an hour later reads a
# large table as a whole with it. What a batch changes is found by key, however many there are.
_BY_KEY = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"

# Room in each page for the next version of its rows, which are changed again and again: then an
# update writes no index (PostgreSQL manual, 66.7, "Heap-Only Tuples"). Took what the triggers cost
# for an item that is new in its cart from 12 us to 8. A cart's last activity is in an index all the
# same: what busy carts leave behind there must go soon, and not at autovacuum's usual slow pace.
_STORAGE = {
    "tracker_cart": "fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05,"
    " autovacuum_vacuum_cost_delay = 0",
    "tracker_tally": "fillfactor = 20",
}


def _postgresql(table: str, event: str) -> list[str]:
    signed = _SIGNED[event]
    if table == "tracker_cart":
        body = _add_to_tally(signed, _CART_SHARES)
    else:
        body = _ADD_TO_CARTS.format(signed=signed) + _add_to_tally(signed, _ITEM_SHARES)
    name = f"{table}_count_{event.lower()}"
    function = f"""
        CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {_BY_KEY} AS
        $$ DECLARE mine integer; BEGIN {_MY_SHARD} {body} RETURN NULL; END $$
    """
    trigger = f"""
        CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {_REFERENCING[event]}
        FOR EACH STATEMENT EXECUTE FUNCTION {name}()
    """
    return [function, f"DROP TRIGGER IF EXISTS {name} ON {table}", trigger]


# -- SQLite ----------------------------------------------------------------------------------------
# Django keeps times as text: '2026-11-22 10:27:35.123456'. Always shard 0: there is one writer.
_SQLITE_BUCKET = "substr({0}, 1, 15) || '0:00'"
_SQLITE_CART = """
    INSERT INTO tracker_tally (bucket, shard, new_carts, new_items, seen_carts, seen_value)
    VALUES ({created}, 0, {sign}, 0, 0, 0)
    ON CONFLICT (bucket, shard) DO UPDATE SET new_carts = new_carts + excluded.new_carts;
    INSERT INTO tracker_tally (bucket, shard, new_carts, new_items, seen_carts, seen_value)
    VALUES ({updated}, 0, 0, 0, {sign}, {sign} * {row}.value)
    ON CONFLICT (bucket, shard) DO UPDATE
    SET seen_carts = seen_carts + excluded.seen_carts,
        seen_value = seen_value + excluded.seen_value;
"""
_SQLITE_ITEM = """
    UPDATE tracker_cart
    SET item_count = item_count + {sign}, value = value + {sign} * COALESCE({row}.price, 0)
    WHERE id = {row}.cart_id;
    INSERT INTO tracker_tally (bucket, shard, new_carts, new_items, seen_carts, seen_value)
    VALUES ({created}, 0, 0, {sign}, 0, 0)
    ON CONFLICT (bucket, shard) DO UPDATE SET new_items = new_items + excluded.new_items;
"""
_SQLITE_ROWS = {
    "INSERT": [(1, "NEW")],
    "DELETE": [(-1, "OLD")],
    "UPDATE": [(-1, "OLD"), (1, "NEW")],
}


def _sqlite(table: str, event: str) -> list[str]:
    form = _SQLITE_CART if table == "tracker_cart" else _SQLITE_ITEM
    body = "".join(
        form.format(
            sign=sign,
            row=row,
            created=_SQLITE_BUCKET.format(f"{row}.created_at"),
            updated=_SQLITE_BUCKET.format(f"{row}.updated_at"),
        )
        for sign, row in _SQLITE_ROWS[event]
    )
    name = f"{table}_count_{event.lower()}"
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW BEGIN {body} END",
    ]


# -- Both ------------------------------------------------------------------------------------------
_EVENTS = [
    (table, event)
    for table in ("tracker_cart", "tracker_item")
    for event in ("INSERT", "UPDATE", "DELETE")
]
_STATEMENTS = {
    "postgresql": [line for each in _EVENTS for line in _postgresql(*each)]
    + [f"ALTER TABLE {table} SET ({options})" for table, options in _STORAGE.items()],
    "sqlite": [line for each in _EVENTS for line in _sqlite(*each)],
}
_REMOVALS = {
    "postgresql": [
        line
        for table, event in _EVENTS
        for line in (
            f"DROP TRIGGER IF EXISTS {table}_count_{event.lower()} ON {table}",
            f"DROP FUNCTION IF EXISTS {table}_count_{event.lower()}()",
        )
    ],
    "sqlite": [f"DROP TRIGGER IF EXISTS {table}_count_{event.lower()}" for table, event in _EVENTS],
}
