"""Which SQL was executed: seen where Django executes it, so that it needs no DEBUG."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple

import sqlparse
from django.db import connection

from core.profiling import replaced


class Statement(NamedTuple):
    """What was sent to the database in one message, and the seconds until its answer was here."""

    sql: str
    params: Any
    took_s: float

    def parts(self) -> list[str]:
        """The statements of the message, each on one line."""
        return [_on_one_line(part) for part in sqlparse.split(self.sql)] or [""]


class Counted(NamedTuple):
    """A statement among others, with the debug toolbar's counts; both are 1 for the only one.

    `similar` is how many have its text, `duplicates` how many have its parameters, too. A BEGIN is
    like every other BEGIN, and that says nothing.
    """

    statement: Statement
    similar: int
    duplicates: int


def counted(statements: Sequence[Statement]) -> list[Counted]:
    """The same statements in the same order."""
    asking = [each for each in statements if not _OF_TRANSACTIONS.match(each.sql)]
    texts = Counter(each.sql for each in asking)
    whole = Counter(_identity(each) for each in asking)
    return [Counted(each, texts[each.sql] or 1, whole[_identity(each)] or 1) for each in statements]


def _identity(statement: Statement) -> tuple[str, str]:
    return statement.sql, repr(statement.params)


_OF_TRANSACTIONS = re.compile(r"BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE")


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Gives the list that fills up with what this thread's connection executes.

    Commits are in it; psycopg2's own BEGIN, which Django does not see, is not.
    """
    found: list[Statement] = []

    def record(call: Callable[[], Any], sql: str, params: Any) -> Any:
        begin = perf_counter()
        try:
            return call()
        finally:
            found.append(Statement(str(sql), params, perf_counter() - begin))

    with executed_by(record):
        yield found


@contextmanager
def executed_by(around: Callable[[Callable[[], Any], str, Any], Any]) -> Iterator[None]:
    """Within, `around(call, sql, params)` has to call each statement, and give its result."""

    def execute(call: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        return around(lambda: call(sql, params, many, context), sql, params)

    # Django sends it past its cursors, and so past their wrappers.
    commit = connection._commit  # type: ignore[attr-defined]  # noqa: SLF001
    by_us = replaced(connection, _commit=lambda: around(commit, "COMMIT", None))
    with connection.execute_wrapper(execute), by_us:
        yield


def _on_one_line(sql: str) -> str:
    """Of a statement that begins with its sub-queries, what it does comes before them."""
    text = " ".join(sql.split()).rstrip("; ")
    return re.sub(r"^WITH .*?(?=INSERT INTO|UPDATE \w|DELETE FROM)", "WITH … ", text)
