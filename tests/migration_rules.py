"""What a migration may do while the code of before goes on (docs/upgrading.md).

Looks at the operations, and at the state before each: what concerns a table that the migration
makes itself harms nobody.
"""

from collections.abc import Iterator
from typing import Any, cast

from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from tracker.online import AddIndexOnline

_GONE = "the code of before still uses it: remove it a release after the last code that does"
_RENAMED = "the code of before knows the old name: add, copy and remove in releases of their own"
_LOCKS = "others can't write until all rows were looked at"
_UNSEEN = "nobody can tell what it does: say why it harms no one"

_ALWAYS: dict[type[Operation], str] = {
    operations.RemoveField: _GONE,
    operations.DeleteModel: _GONE,
    operations.RenameField: _RENAMED,
    operations.RenameModel: _RENAMED,
    operations.AlterModelTable: _RENAMED,
    operations.AlterUniqueTogether: _LOCKS,
    operations.RunPython: _UNSEEN,
    operations.RunSQL: _UNSEEN,
    operations.SeparateDatabaseAndState: _UNSEEN,
}


def complaints(migration: Migration, state: ProjectState) -> Iterator[tuple[str, str]]:
    """(what, why it is wrong) for each operation that old code, or its users, would not survive.

    `what` is short, and unique in its migration. Moves the state to after the migration.
    """
    made_here = set()
    for operation in migration.operations:
        if isinstance(operation, operations.CreateModel):
            made_here.add(operation.name_lower)
        model = getattr(operation, "model_name_lower", getattr(operation, "name_lower", None))
        if model not in made_here and (why := _complaint(operation, migration.app_label, state)):
            yield _name(operation), why
        operation.state_forwards(migration.app_label, state)


def _name(operation: Operation) -> str:
    """As "AddField cart.value", "AddIndex tracker_cart_recent", "RunPython install"."""
    kind, named = type(operation).__name__, cast(Any, operation)
    if isinstance(operation, operations.RunPython):
        return f"{kind} {named.code.__name__}"
    if isinstance(operation, operations.AddIndex):
        return f"{kind} {named.index.name}"
    if isinstance(operation, operations.AddConstraint):
        return f"{kind} {named.constraint.name}"
    places = [getattr(named, name, None) for name in ("model_name", "name")]
    return f"{kind} {'.'.join(filter(None, places))}"


def _complaint(operation: Operation, app: str, state: ProjectState) -> str | None:
    if type(operation) in _ALWAYS:
        return _ALWAYS[type(operation)]
    if isinstance(operation, operations.AddField):
        return _of_new_field(operation.field)
    if isinstance(operation, operations.AlterField):
        before = state.models[app, operation.model_name_lower].fields[operation.name]
        return _of_changed_field(before, operation.field)
    if isinstance(operation, operations.AddIndex) and not isinstance(operation, AddIndexOnline):
        return f"{_LOCKS}: use tracker.online.AddIndexOnline"
    if isinstance(operation, operations.AddConstraint):
        return f"{_LOCKS}, and the code of before may break it"
    return None


def _of_new_field(field: Any) -> str | None:
    if isinstance(field, models.ManyToManyField):
        return None  # A table of its own.
    if not field.null and not field.has_db_default():
        return "the code of before makes rows without it: null=True or db_default"
    if field.db_index or field.unique:
        return f"{_LOCKS}: add the index by itself, with tracker.online.AddIndexOnline"
    return None


def _of_changed_field(before: Any, after: Any) -> str | None:
    if before.null and not after.null:
        return f"{_LOCKS}, and the code of before may leave it NULL"
    if before.has_db_default() and not after.has_db_default() and not after.null:
        return "the code of before makes rows without it"
    if _column(before) != _column(after):
        return f"{_LOCKS}, or the rows are written anew; and the code of before knows the other one"
    return None


def _column(field: Any) -> tuple[Any, ...]:
    """What makes its column what it is, whatever the database."""
    kept = ("max_length", "max_digits", "decimal_places", "db_column", "db_collation", "to")
    given = field.deconstruct()[3]
    return (
        field.get_internal_type(),
        field.db_index,
        field.unique,
        *(str(given.get(name)) for name in kept),
    )
