"""Request the console's pages, in this process and without a server, and time them and their SQL.

Imports Django's models, so set Django up before importing this.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.test import Client

from bench.console.pages import Address, facts

# No page of ours may take that long; a stock page that does counts as failed.
_STATEMENT_TIMEOUT = "60s"
_ANSWERS = (200, 302, 304)


class Figure(NamedTuple):
    """The figures of one request. `sql_ms` is the part of `request_ms` spent in statements.

    COMMIT counts only in `request_ms`.
    """

    sql_ms: float
    request_ms: float
    statements: int


class NotTakenError(Exception):
    """A page could not be measured. The text says how it was answered."""


class Database:
    """One of several databases, with its own connection. Each use makes it Django's default."""

    def __init__(self, name: str) -> None:
        self._connection = connections["default"].copy()
        self._connection.settings_dict |= {"NAME": name, "CONN_MAX_AGE": None}
        self._be_default()
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = %s", [_STATEMENT_TIMEOUT])
        self._client = _logged_in()
        self._facts = facts(self._client)

    def take(self, address: Address, *, is_post: bool = False) -> Figure:
        """Request a page and measure it.

        Raises NotTakenError if the page fails, and NoReverseMatch if there is no such page.
        """
        where = address(self._facts)
        sql = _Statements()
        self._be_default()
        with connection.execute_wrapper(sql):
            began = perf_counter()
            response: Any = self._client.post(where) if is_post else self._client.get(where)
            if response.streaming:
                chunks = iter(response.streaming_content)
                next(chunks)  # The head.
                next(chunks)
            took_ms = (perf_counter() - began) * 1000
            response.close()
        if response.status_code not in _ANSWERS:
            raise NotTakenError(f"{where} was answered {response.status_code}")
        return Figure(sql.took_ms, took_ms, sql.count)

    def close(self) -> None:
        self._connection.close()

    def _be_default(self) -> None:
        connections["default"] = self._connection


class _Statements:
    """Count statements and their time until the rows have arrived (Django's execute_wrapper)."""

    def __init__(self) -> None:
        self.took_ms, self.count = 0.0, 0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        began = perf_counter()
        try:
            return execute(*args)
        finally:
            self.took_ms += (perf_counter() - began) * 1000
            self.count += 1


def _logged_in() -> Client:
    client = Client(raise_request_exception=False, headers={"host": "localhost"})
    client.force_login(get_user_model().objects.create_superuser("bench"))
    return client
