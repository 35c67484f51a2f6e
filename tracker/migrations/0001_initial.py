"""All tables as they are in the first release, with their indexes and the triggers that count."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import tracker.cart_ids
import tracker.models
from tracker.rows import tally_sql


def compare_product_ids_as_bytes(apps, editor):
    """Give the column the collation "C" (see Item.Meta.indexes). SQLite compares bytes anyway.

    PostgreSQL makes the indexes of the column again with its new collation.
    """
    if editor.connection.vendor == "postgresql":
        editor.execute(
            'ALTER TABLE tracker_item ALTER COLUMN product_id TYPE varchar(255) COLLATE "C"'
        )


def install_triggers(apps, editor):
    tally_sql.install(editor)


def remove_triggers(apps, editor):
    tally_sql.remove(editor)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Cart",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        primary_key=True,
                        default=tracker.cart_ids.new_cart_id,
                        editable=False,
                        serialize=False,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField("first activity", default=django.utils.timezone.now),
                ),
                (
                    "updated_at",
                    models.DateTimeField("last activity", default=django.utils.timezone.now),
                ),
                ("item_count", models.BigIntegerField("items", default=0, db_default=0)),
                (
                    "value",
                    models.DecimalField(max_digits=30, decimal_places=0, default=0, db_default=0),
                ),
            ],
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("export_carts", "Can export carts"),
                    ("erase_carts", "Can erase carts"),
                ],
                "indexes": [
                    models.Index(fields=["updated_at", "id"], name="tracker_cart_recent"),
                    models.Index(tracker.models.LastDigits("id"), name="tracker_cart_code"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.UUIDField(primary_key=True, editable=False, serialize=False)),
                ("product_id", models.CharField(max_length=255)),
                ("name", models.CharField(max_length=1000, null=True, blank=True)),
                ("name_version", models.BigIntegerField(default=-1)),
                ("price", models.BigIntegerField("price in cents", null=True, blank=True)),
                ("price_version", models.BigIntegerField(default=-1)),
                (
                    "created_at",
                    models.DateTimeField("first added", default=django.utils.timezone.now),
                ),
                (
                    "updated_at",
                    models.DateTimeField("last added", default=django.utils.timezone.now),
                ),
                (
                    "cart",
                    models.ForeignKey(
                        "tracker.cart",
                        django.db.models.deletion.CASCADE,
                        related_name="items",
                        db_index=False,
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["created_at", "id"], name="tracker_item_recent"),
                    models.Index(
                        fields=["product_id", "created_at", "id"], name="tracker_item_product"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("cart", "product_id"), name="tracker_item_once_per_cart"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(price__isnull=True) | models.Q(price__gte=0),
                        name="tracker_item_price_cents",
                    ),
                ],
            },
        ),
        migrations.RunPython(compare_product_ids_as_bytes, migrations.RunPython.noop),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                ("id", models.UUIDField(primary_key=True, editable=False, serialize=False)),
                ("record", models.TextField()),
                ("error", models.TextField()),
                ("created_at", models.DateTimeField("refused", default=django.utils.timezone.now)),
            ],
            options={
                "default_permissions": ("view",),
                "permissions": [("replay_deadletters", "Can replay and discard dead letters")],
                "indexes": [
                    models.Index(fields=["created_at", "id"], name="tracker_letter_recent")
                ],
            },
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                ("cart_id", models.UUIDField(primary_key=True, editable=False, serialize=False)),
                ("version", models.BigIntegerField()),
                ("created_at", models.DateTimeField("erased", default=django.utils.timezone.now)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "bucket",
                        "shard",
                        primary_key=True,
                        blank=True,
                        editable=False,
                        serialize=False,
                    ),
                ),
                ("bucket", models.DateTimeField()),
                ("shard", models.SmallIntegerField()),
                ("new_carts", models.BigIntegerField(default=0)),
                ("new_items", models.BigIntegerField(default=0)),
                ("seen_carts", models.BigIntegerField(default=0)),
                (
                    "seen_value",
                    models.DecimalField(max_digits=30, decimal_places=0, default=0),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunPython(install_triggers, remove_triggers),
    ]
