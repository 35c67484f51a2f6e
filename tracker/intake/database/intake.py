"""database:// : commit the row before the reply."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from urllib.parse import SplitResult

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from tracker.adds import Add, Record
from tracker.intake.contract import Unavailable
from tracker.intake.database.watchdog import watchdog
from tracker.rows import merge
from tracker.rows.errors import first_line

log = logging.getLogger(__name__)

# A connection that the database has closed fails faster than this.
STALE_WITHIN_S = 0.5
# After an add that timed out, others are refused at once for this long. They would time out, too,
# and the requests behind them would wait for a thread for longer than R32 allows.
PAUSE_S = 1


class DatabaseIntake:
    """Write adds directly into their rows. A 200 survives whatever a commit survives.

    The database orders concurrent adds of one item by its own clock and its row locks (R22).
    """

    blocks = True

    def __init__(self, url: SplitResult) -> None:
        if url.netloc or url.path.strip("/") or url.query:
            raise ImproperlyConfigured(
                "INTAKE_URL=database:// takes nothing after it: DATABASE_URL names the database."
            )
        self._paused_until = 0.0

    def accept(self, *adds: Add) -> None:
        """See Intake.accept. One transaction for all; on PostgreSQL one round trip."""
        begin = time.monotonic()
        if begin < self._paused_until:
            raise Unavailable
        kept = connection.connection is not None
        try:
            try:
                _store(adds)
            except (DatabaseError, InterfaceError):
                # The database may have been restarted since this connection was last used: try a
                # new one. If the adds were stored already, that does no harm. Not `retry`, because
                # that pauses, and these replies can't wait (R32).
                if not kept or not _drop_connection() or time.monotonic() - begin > STALE_WITHIN_S:
                    raise
                _store(adds)
        except (DatabaseError, InterfaceError) as error:
            # Whatever the reason: nothing is promised.
            _drop_connection()
            if time.monotonic() - begin > STALE_WITHIN_S:
                self._paused_until = time.monotonic() + PAUSE_S
            log.warning("%s adds not stored: %s", len(adds), first_line(error))
            raise Unavailable from error

    def check(self) -> None:
        """See Intake.check."""
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM tracker_item LIMIT 1")
        except (DatabaseError, InterfaceError) as error:
            _drop_connection()
            raise Unavailable(first_line(error)) from error

    def warnings(self) -> list[str]:
        """See Intake.warnings. What a commit survives is decided by the database."""
        return []

    def source(self) -> None:
        """See Intake.source. Every accepted add is a row already."""

    def close(self) -> None:
        """See Intake.close. Nothing is left to do after a commit."""


def _store(adds: Sequence[Add]) -> None:
    # CONN_MAX_AGE: Django does this between requests, but the storefront's short cut does not.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    # Django would check each reused connection first, which costs a round trip for every reply.
    connection.health_check_done = True  # type: ignore[attr-defined]
    connection.ensure_connection()
    with _limit():
        merge.merge((Record(add, None) for add in adds), timeout_ms=settings.STORE_TIMEOUT_S * 1000)


def _limit() -> AbstractContextManager[None]:
    if connection.vendor != "postgresql":
        return _one_at_a_time()
    with connection.wrap_database_errors:
        socket = connection.connection.fileno()
    return watchdog().limit(socket, settings.STORE_TIMEOUT_S)


def _drop_connection() -> bool:
    """Drop this thread's connection; the next use opens a new one. Return whether it may."""
    if connection.in_atomic_block:
        return False
    connection.close()
    return True


_writing = Lock()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let the threads of this process write one after the other. Only for SQLite.

    SQLite has one writer at a time, and waiting writers ask again after ever longer pauses, so that
    under load one of many waits in vain for all of STORE_TIMEOUT_S. A thread that had to wait for
    the others waits only the rest of that time for other processes.
    """
    give_up_at = time.monotonic() + settings.STORE_TIMEOUT_S
    if not _writing.acquire(timeout=settings.STORE_TIMEOUT_S):
        raise OperationalError("database is locked by other threads of this process")
    try:
        _wait_for_others(max(0.0, give_up_at - time.monotonic()))
        yield
    finally:
        _wait_for_others(settings.STORE_TIMEOUT_S)
        _writing.release()


def _wait_for_others(limit_s: float) -> None:
    """Set how long SQLite waits for locks on this connection (sqlite.org, busy_timeout)."""
    if connection.connection is not None:
        connection.connection.execute(f"PRAGMA busy_timeout = {int(limit_s * 1000)}")
