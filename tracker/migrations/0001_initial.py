"""The tables, their indexes, and the triggers that count (tracker/rows/tally_sql.py)."""

from typing import Any

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from tracker.rows import tally_sql


def compare_bytes(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """See tracker/models.py, Item.Meta.indexes. SQLite compares bytes without being told.

    Not `db_collation`: SQLite knows no collation of PostgreSQL's name for it.
    """
    if editor.connection.vendor == "postgresql":
        editor.execute(
            'ALTER TABLE tracker_item ALTER COLUMN product_id TYPE varchar(255) COLLATE "C"'
        )


def install_triggers(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    tally_sql.install(editor)


def remove_triggers(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    tally_sql.remove(editor)


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('pk', models.CompositePrimaryKey('bucket', 'shard', blank=True, editable=False, primary_key=True, serialize=False)),
                ('bucket', models.DateTimeField()),
                ('shard', models.SmallIntegerField()),
                ('new_carts', models.BigIntegerField(default=0)),
                ('new_items', models.BigIntegerField(default=0)),
                ('seen_carts', models.BigIntegerField(default=0)),
                ('seen_value', models.DecimalField(decimal_places=0, default=0, max_digits=30)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Tombstone',
            fields=[
                ('cart_id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('version', models.BigIntegerField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='erased')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Cart',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='first activity')),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='last activity')),
                ('item_count', models.BigIntegerField(db_default=0, default=0, verbose_name='items')),
                ('value', models.DecimalField(db_default=0, decimal_places=0, default=0, max_digits=30)),
            ],
            options={
                'permissions': [('export_carts', 'Can export carts'), ('erase_carts', 'Can erase carts')],
                'default_permissions': ('view',),
                'indexes': [models.Index(fields=['updated_at', 'id'], name='tracker_cart_recent')],
            },
        ),
        migrations.CreateModel(
            name='DeadLetter',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('record', models.TextField()),
                ('error', models.TextField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='refused')),
            ],
            options={
                'permissions': [('replay_deadletters', 'Can replay and discard dead letters')],
                'default_permissions': ('view',),
                'indexes': [models.Index(fields=['created_at', 'id'], name='tracker_letter_recent')],
            },
        ),
        migrations.CreateModel(
            name='Item',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('product_id', models.CharField(max_length=255)),
                ('name', models.CharField(blank=True, max_length=1000, null=True)),
                ('name_version', models.BigIntegerField(default=-1)),
                ('price', models.BigIntegerField(blank=True, null=True, verbose_name='price in cents')),
                ('price_version', models.BigIntegerField(default=-1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='first added')),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='last added')),
                ('cart', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='items', to='tracker.cart')),
            ],
            options={
                'default_permissions': ('view',),
                'indexes': [models.Index(fields=['created_at', 'id'], name='tracker_item_recent'), models.Index(fields=['product_id', 'created_at', 'id'], name='tracker_item_product')],
                'constraints': [models.UniqueConstraint(fields=('cart', 'product_id'), name='tracker_item_once_per_cart'), models.CheckConstraint(condition=models.Q(('price__isnull', True), ('price__gte', 0), _connector='OR'), name='tracker_item_price_cents')],
            },
        ),
        migrations.RunPython(compare_bytes, migrations.RunPython.noop),
        migrations.RunPython(install_triggers, remove_triggers),
    ]
