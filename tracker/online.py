"""Changes of the schema while others read and write the tables (docs/upgrading.md).

What changes the catalogue alone takes a table for itself, but for an instant. Everybody else queues
behind whoever waits for that: so nobody may wait for it long (`brief_locks`). What reads a whole
table must not take it for itself, and may wait as long as it takes (`patience`).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import Error, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import AddIndex

# Less than PostgreSQL waits until it looks for a deadlock (deadlock_timeout, 1 s), so that it is
# never a merge that has to give way; and less than an add may take (STORE_TIMEOUT_S).
LOCK_TIMEOUT_MS = 500

_IS_BUILT = {
    "postgresql": "SELECT FROM pg_index WHERE indisvalid AND indexrelid = to_regclass(%s)",
    "sqlite": "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = %s",
}
# lock_not_available, deadlock_detected (PostgreSQL manual, appendix A); SQLITE_BUSY and, within one
# process, SQLITE_LOCKED.
_BUSY = {"55P03", "40P01", 5, 6}


@contextmanager
def brief_locks(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Until the block's end, this connection waits half a second for a lock, and then fails.

    Statements may take as long as they need: a limit that the account has is not meant for them.
    """
    if connection.vendor != "postgresql":
        yield
        return
    _set(connection, lock_timeout=str(LOCK_TIMEOUT_MS), statement_timeout="0")
    try:
        yield
    finally:
        with suppress(Error):  # A lost connection has no settings any more.
            _set(connection, lock_timeout=None, statement_timeout=None)


@contextmanager
def patience(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Until the block's end, this connection waits for locks that nobody else has to wait for."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        before = cursor.fetchone()[0]
    _set(connection, lock_timeout="0")
    try:
        yield
    finally:
        with suppress(Error):
            _set(connection, lock_timeout=before)


def is_busy(error: OperationalError) -> bool:
    """Whether somebody else had what was needed: the same may succeed a moment later."""
    cause = error.__cause__
    return bool({getattr(cause, "pgcode", None), getattr(cause, "sqlite_errorcode", None)} & _BUSY)


def is_built(connection: BaseDatabaseWrapper, index: str) -> bool:
    """Whether there is such an index, and it is whole: one whose making failed is there, too."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_BUILT[connection.vendor], [index])
        return cursor.fetchone() is not None


class AddIndexOnline(AddIndexConcurrently):
    """An index that is made while rows are written; its migration has to have `atomic = False`.

    May be repeated: what is there is left, and what a failure has left half-made is made anew. On
    SQLite, which has one writer at a time, an index as any other.
    """

    def database_forwards(
        self, app_label: str, editor: Any, from_state: Any, to_state: Any
    ) -> None:
        connection, name = editor.connection, self.index.name
        if is_built(connection, name):
            return
        if connection.vendor != "postgresql":
            AddIndex.database_forwards(self, app_label, editor, from_state, to_state)
            return
        with patience(connection):
            editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {editor.quote_name(name)}")
            super().database_forwards(app_label, editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, editor: Any, from_state: Any, to_state: Any
    ) -> None:
        connection = editor.connection
        if connection.vendor == "postgresql":
            with patience(connection):
                super().database_backwards(app_label, editor, from_state, to_state)
        elif is_built(connection, self.index.name):
            AddIndex.database_backwards(self, app_label, editor, from_state, to_state)


def _set(connection: BaseDatabaseWrapper, **settings: str | None) -> None:
    """For the session. None puts back what the session began with."""
    with connection.cursor() as cursor:
        for name, value in settings.items():
            if value is None:
                cursor.execute(f"RESET {name}")
            else:
                cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
