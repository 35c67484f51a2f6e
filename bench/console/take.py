"""Takes the console's pages, in this process and without a server: how long, how much of it SQL.

Imports Django's models: after the settings are made.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.test import Client

from bench.console.pages import Address, facts

# No page may take so long; what a stock admin does not manage in it is not waited for.
_STATEMENT_TIMEOUT = "60s"
_ANSWERS = (200, 302, 304)


class Figure(NamedTuple):
    """Of one request: milliseconds in statements and in all, and how many statements.

    COMMIT is no statement here; it is in the whole.
    """

    sql_ms: float
    request_ms: float
    statements: int


class NotTakenError(Exception):
    """A page was not answered as it should be; the text says how."""


class Database:
    """One of several that take turns in being Django's default; each keeps its connection."""

    def __init__(self, name: str) -> None:
        self._connection = connections["default"].copy()
        self._connection.settings_dict |= {"NAME": name, "CONN_MAX_AGE": None}
        self._be_default()
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = %s", [_STATEMENT_TIMEOUT])
        self._client = _logged_in()
        self._facts = facts(self._client)

    def take(self, address: Address, *, is_post: bool = False) -> Figure:
        """Raises NotTakenError, and NoReverseMatch if there is no such page."""
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
    """Counts them and their time, until their rows are here (Django's execute_wrapper)."""

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
