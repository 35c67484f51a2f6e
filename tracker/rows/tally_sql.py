"""Triggers that keep the counts: each cart's items and value, and the tallies (tracker/models.py).

On PostgreSQL they also keep each cart's times, which follow from its items.

The database keeps the counts, so that they are exact for every writer: the merge, a replay of what
was merged already (which changes no row, and so no count), an erasure, or a person with psql. The
share of a row in the counts depends on this row alone. A change subtracts the old row's share and
adds the new row's.

On PostgreSQL a trigger runs once for each statement (CREATE TRIGGER, "transition tables"). SQLite
does not have that: there it runs once for each row.

A migration that rebuilds one of the two tables, as most changes do on SQLite, drops their triggers:
it must end with `install`.
"""

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Connections that write at the same time count in different rows, the shards, so that they never
# wait for each other. A connection takes the first free lock of this class until it ends. The
# number of the lock is its shard.
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
    """Create or replace the triggers. They count from now on."""
    for statement in _STATEMENTS[editor.connection.vendor]:
        editor.execute(statement, None)


def remove(editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers. What they have counted stays."""
    for statement in _REMOVALS[editor.connection.vendor]:
        editor.execute(statement, None)


# -- PostgreSQL ------------------------------------------------------------------------------------
# The changed rows with a sign. An UPDATE has both tables, the others have one of the two.
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

# In the order of the keys, as all locks are taken (tracker/rows/merge.py). A change within one
# bucket sums to zero and writes nothing.
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

# The cart's times are set here too, so that a statement writes each cart's row once: the index on
# the last activity costs most. The merge only locks the row (tracker/rows/merge_sql.py).
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


# A connection keeps the plan that it made when the tables were small, and would later read a large
# table as a whole with it. A batch's rows are always found by key.
_BY_KEY = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"

# Leave space in each page for the next versions of its rows, which change often: then an update
# writes no index (PostgreSQL manual, 66.7, "Heap-Only Tuples"; docs/performance.md). A cart's last
# activity is indexed nevertheless, so autovacuum must remove the old entries of busy carts soon.
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
# Django stores times as text: '2026-11-22 10:27:35.123456'. Always shard 0: there is one writer.
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
