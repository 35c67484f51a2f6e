"""Every migration is one that the code of before survives (docs/upgrading.md)."""

from typing import Any

import pytest
from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from tests.migration_rules import complaints
from tracker.online import AddIndexOnline

pytestmark = pytest.mark.once

# What the rules forbid or can't see into, and why it harms nobody all the same.
REASONS = {
    "tracker.0004_tallies: RunPython install": "triggers: for them, all code's writes are the same",
    "tracker.0004_tallies: RunPython compare_bytes": "makes its index while others write",
    "tracker.0004_tallies: RunPython count_what_is_there": "locks a thousand carts at a time",
}


def test_every_migration_is_one_that_the_code_of_before_survives() -> None:
    """What stands in REASONS is left out; and nothing stands there that need not."""
    loader = MigrationLoader(None)
    found = {}
    for app, name in loader.disk_migrations:
        if app in ("tracker", "console"):
            state = loader.project_state((app, name), at_end=False)
            for what, why in complaints(loader.get_migration(app, name), state):
                found[f"{app}.{name}: {what}"] = why
    assert {place: why for place, why in found.items() if place not in REASONS} == {}
    assert found.keys() == REASONS.keys()


def altered(**options: Any) -> Operation:
    """Of a field that is NULL or an integer, and nothing else."""
    return operations.AlterField("cart", "number", models.IntegerField(**options))


def added(field: Any) -> Operation:
    return operations.AddField("cart", "more", field)


INDEX = models.Index(fields=["number"], name="cart_number")
FORBIDDEN = [
    operations.RemoveField("cart", "number"),
    operations.RenameField("cart", "number", "count"),
    operations.RenameModel("Cart", "Basket"),
    operations.DeleteModel("Cart"),
    operations.AlterModelTable("cart", "basket"),
    added(models.IntegerField(default=0)),
    added(models.IntegerField(null=True, db_index=True)),
    altered(db_default=0),
    altered(null=True, db_index=True),
    operations.AlterField("cart", "number", models.BigIntegerField(null=True)),
    operations.AlterField("cart", "size", models.IntegerField()),
    operations.AddIndex("cart", INDEX),
    operations.AddConstraint("cart", models.UniqueConstraint(fields=["number"], name="once")),
    operations.RunPython(operations.RunPython.noop),
    operations.RunSQL("SELECT 1"),
]
ALLOWED = [
    operations.CreateModel("Item", [("id", models.IntegerField(primary_key=True))]),
    added(models.IntegerField(null=True)),
    added(models.IntegerField(db_default=0)),
    altered(null=True, default=1),
    operations.AlterField("cart", "size", models.IntegerField(null=True)),
    operations.AlterModelOptions("cart", {"verbose_name": "basket"}),
    AddIndexOnline("cart", INDEX),
]


def verdict(*operations_: Operation) -> list[tuple[str, str]]:
    migration = type("0002", (Migration,), {"operations": operations_})("0002", "shop")
    fields: list[tuple[str, Any]] = [
        ("id", models.IntegerField(primary_key=True)),
        ("number", models.IntegerField(null=True)),
        ("size", models.IntegerField(db_default=0)),
    ]
    state = ProjectState()
    state.add_model(ModelState("shop", "Cart", fields))
    return list(complaints(migration, state))


@pytest.mark.parametrize("operation", FORBIDDEN, ids=lambda each: type(each).__name__)
def test_what_the_code_of_before_would_not_survive_is_found(operation: Operation) -> None:
    assert len(verdict(operation)) == 1


@pytest.mark.parametrize("operation", ALLOWED, ids=lambda each: type(each).__name__)
def test_what_harms_nobody_is_allowed(operation: Operation) -> None:
    assert verdict(operation) == []


def test_a_table_that_the_migration_makes_may_be_changed_by_it() -> None:
    made = operations.CreateModel("Item", [("id", models.IntegerField(primary_key=True))])
    index = operations.AddIndex("item", models.Index(fields=["id"], name="item_id"))
    assert verdict(made, index) == []
