"""Pages by keyset: "the 50 rows after this one", as fast on page 2,500 as on page 1.

The URL of a page has a cursor, the values of the row next to it. So rows that are added meanwhile
neither repeat nor hide others, and pages have no numbers.
"""

import base64
import json
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import BadRequest, ValidationError
from django.db import connection, models
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from tracker.rows.keyset import rows_after

COUNT_LIMIT = 10_000
JOINED_COUNT_LIMIT = 1_000  # Lower, because each row is looked up in two tables.


class Page(NamedTuple):
    """Rows in their order, and the cursors of the pages before and after, or None."""

    rows: list[Any]
    newer: str | None
    older: str | None


class Keyset:
    """An order by columns that an index has, too. The last column is unique.

    `columns` are names as for order_by, all ascending or all descending: ("-created_at", "-id").
    None of them is ever NULL. `is_sorted` is for a bounded number of rows that another index finds:
    they are sorted, and the planner is kept from reading the whole table in this order.
    """

    def __init__(self, *columns: str, is_sorted: bool = False) -> None:
        self.order: list[Any] = list(columns)
        if is_sorted:  # An expression, which no index has.
            first = columns[0].lstrip("-")
            expression = Coalesce(F(first), F(first))
            self.order[0] = expression.desc() if columns[0].startswith("-") else expression.asc()
        self.names = [name.lstrip("-") for name in columns]
        self.is_descending = columns[0].startswith("-")

    def page(
        self, rows: QuerySet[Any], *, size: int, after: str | None = None, before: str | None = None
    ) -> Page:
        """Return the rows after or before a cursor, or the first rows.

        Raises BadRequest for a cursor that this order has not made.
        """
        cursor, backwards = before or after, bool(before)
        if cursor:
            values = _parse(cursor, rows.model, self.names)
            rows = rows.filter(
                rows_after(self.names, values, descending=self.is_descending != backwards)
            )
        rows = rows.order_by(*self.order)
        found = list((rows.reverse() if backwards else rows)[: size + 1])
        more, found = len(found) > size, found[:size]
        if backwards:
            found.reverse()
        newer = found and ((cursor and not backwards) or (backwards and more))
        older = found and (more or backwards)
        return Page(
            found,
            newer=self._cursor(found[0]) if newer else None,
            older=self._cursor(found[-1]) if older else None,
        )

    def _cursor(self, row: Any) -> str:
        text = json.dumps([_as_text(getattr(row, name)) for name in self.names])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _parse(cursor: str, model: type[models.Model], names: list[str]) -> list[Any]:
    try:
        fields: list[Any] = [model._meta.get_field(name) for name in names]
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        pairs = zip(fields, map("".join, values), strict=True)  # Each is a text.
        return [field.to_python(text) for field, text in pairs]
    except (ValueError, TypeError, ValidationError):  # Of base64, JSON, zip and the fields.
        raise BadRequest("This page's address is not complete: begin at the first page.") from None


def estimated_count(rows: QuerySet[Any]) -> tuple[int, bool]:
    """Count rows up to COUNT_LIMIT, and say whether the count is exact.

    A large whole table on PostgreSQL is estimated by its statistics (pg_class.reltuples).
    """
    tables = sum(map(bool, rows.query.alias_refcount.values()))  # 0: the query dropped it again.
    limit = COUNT_LIMIT if tables <= 1 else JOINED_COUNT_LIMIT
    counted = rows.order_by()[: limit + 1].count()
    if counted <= limit:
        return counted, True
    if connection.vendor == "postgresql" and not rows.query.where:
        with connection.cursor() as cursor:
            table = rows.model._meta.db_table
            cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
            (tuples,) = cursor.fetchone()
        return max(int(tuples), COUNT_LIMIT), False
    return limit, False


def count_text(count: int, *, exact: bool, whole: bool = False) -> str:
    """Format a count: "10,000+" above the limit, "about 10,112,000" for an estimate."""
    if exact:
        return f"{count:,}"
    return f"about {count:,}" if whole and count > COUNT_LIMIT else f"{count:,}+"
