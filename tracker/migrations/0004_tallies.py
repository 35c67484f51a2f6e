"""What 0003 has made room for: triggers that count, indexes, and the counts of what is there already.

Not one transaction, because others go on reading and writing: steps that may be repeated, and that
are, from the first on, if one of them fails.
"""

from typing import Any

from django.db import migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from tracker import online, tally_sql
from tracker.recount import recount


def install(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    tally_sql.install(editor)


def remove(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    tally_sql.remove(editor)


def count_what_is_there(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    recount(editor.connection)


# A column's collation and its indexes change together, and an index of tens of millions of rows
# takes minutes. So the new one is made before: then they change places in an instant.
_NEW_INDEX = "tracker_item_bytewise"
_MAKE_INDEX = f"""
    CREATE UNIQUE INDEX CONCURRENTLY {_NEW_INDEX}
    ON tracker_item (cart_id, product_id COLLATE "C")
"""
_CHANGE_PLACES = f"""
    ALTER TABLE tracker_item DROP CONSTRAINT tracker_item_once_per_cart;
    ALTER TABLE tracker_item ALTER COLUMN product_id TYPE varchar(255) COLLATE "C";
    ALTER TABLE tracker_item
    ADD CONSTRAINT tracker_item_once_per_cart UNIQUE USING INDEX {_NEW_INDEX};
"""
_IS_BYTEWISE = """
    SELECT FROM pg_attribute
    WHERE attrelid = 'tracker_item'::regclass AND attname = 'product_id'
    AND attcollation = '"C"'::regcollation
"""


def compare_bytes(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """See tracker/models.py, Item.Meta.indexes. SQLite compares bytes anyway."""
    connection = editor.connection
    if connection.vendor != "postgresql" or _is_bytewise(connection):
        return
    if not online.is_built(connection, _NEW_INDEX):
        with online.patience(connection):
            editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_NEW_INDEX}")
            editor.execute(_MAKE_INDEX)
    with transaction.atomic(connection.alias):
        editor.execute(_CHANGE_PLACES)


def _is_bytewise(connection: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_IS_BYTEWISE)
        return cursor.fetchone() is not None


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tracker", "0003_console")]
    operations = [
        migrations.RunPython(install, remove, atomic=True),
        migrations.RunPython(compare_bytes, migrations.RunPython.noop),
        online.AddIndexOnline(
            model_name="deadletter",
            index=models.Index(fields=["created_at", "id"], name="tracker_letter_recent"),
        ),
        online.AddIndexOnline(
            model_name="cart",
            index=models.Index(fields=["updated_at", "id"], name="tracker_cart_recent"),
        ),
        online.AddIndexOnline(
            model_name="item",
            index=models.Index(fields=["created_at", "id"], name="tracker_item_recent"),
        ),
        online.AddIndexOnline(
            model_name="item",
            index=models.Index(
                fields=["product_id", "created_at", "id"], name="tracker_item_product"
            ),
        ),
        migrations.RunPython(count_what_is_there, migrations.RunPython.noop),
    ]
