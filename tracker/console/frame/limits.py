"""Limit the time of every statement that the console runs, on both databases."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse

# A page that reads for longer asks a question that is too wide to be useful.
READ_TIMEOUT_MS = 5_000
# An erasure or a replay may have to wait for a merge, or for a slow disk.
WRITE_TIMEOUT_MS = 30_000

# How often SQLite looks at the clock: about once a millisecond.
_SQLITE_INSTRUCTIONS = 10_000


class TimeLimitMiddleware:
    """Limit each statement of a request to the console, also those of sessions and of the login.

    The storefront's endpoints and the probes never come here (middleware/storefront.py). A
    streamed body is read after this middleware has returned, so it needs its own `time_limit`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        reads = request.method in ("GET", "HEAD")
        with time_limit(READ_TIMEOUT_MS if reads else WRITE_TIMEOUT_MS):
            return self.get_response(request)


@contextmanager
def time_limit(timeout_ms: int | None) -> Iterator[None]:
    """Limit each statement of this thread's connection until the block ends; None is no limit.

    A statement that takes longer raises OperationalError; see `is_timeout`. The database is first
    asked when the block runs a statement. Blocks must not be nested.

    On SQLite a Python function that a statement calls (REGEXP is one) can't be interrupted. Waiting
    for a lock there is limited by the connection's own timeout.
    """
    if timeout_ms is None:
        yield
        return
    limit = _Limit(timeout_ms)
    with connection.execute_wrapper(limit):
        try:
            yield
        finally:
            limit.lift()


def is_timeout(error: Error) -> bool:
    """Return whether a statement failed because its time was up."""
    cause = error.__cause__
    return (
        getattr(cause, "pgcode", None) == "57014"  # query_canceled (PostgreSQL, appendix A).
        or getattr(cause, "sqlite_errorname", None) == "SQLITE_INTERRUPT"
    )


class _Limit:
    """The limit as Django calls it, around each statement."""

    def __init__(self, timeout_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._deadline = 0.0
        self._limited: Any = None  # The driver's connection that has the limit.

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if connection.connection is not self._limited:  # The first statement, or reconnected.
            self._apply(connection.connection)
        self._deadline = time.monotonic() + self._timeout_ms / 1000
        return execute(sql, params, many, context)

    def _apply(self, raw: Any) -> None:
        if connection.vendor == "sqlite":
            raw.set_progress_handler(self._is_late, _SQLITE_INSTRUCTIONS)
        else:
            _run(raw, f"SET statement_timeout = {self._timeout_ms}")
        self._limited = raw

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def lift(self) -> None:
        """Free the connection: the adds and the drain's batches of this thread have no limit."""
        raw = self._limited
        if raw is None or raw is not connection.connection:
            return
        if connection.vendor == "sqlite":
            raw.set_progress_handler(None, 0)
        else:
            with suppress(Error):  # A lost connection has no settings any more.
                _run(raw, "RESET statement_timeout")


def _run(raw: Any, sql: str) -> None:
    """Run it on the driver's connection: Django's own would ask the limit again."""
    with connection.wrap_database_errors, raw.cursor() as cursor:
        cursor.execute(sql)
