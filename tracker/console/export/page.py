"""Export a list as CSV, streamed to a browser or written by `manage.py export`."""

import logging
import shlex
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.db.models import Model, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import reverse
from django.utils import timezone

from tracker.console.export import spreadsheet
from tracker.console.export.spreadsheet import Cell, units
from tracker.console.frame import audit
from tracker.console.frame.limits import READ_TIMEOUT_MS, time_limit
from tracker.console.frame.site import page
from tracker.console.lists import search
from tracker.console.lists.carts import state_of
from tracker.console.lists.changelist import AFTER, BEFORE
from tracker.console.lists.paging import Keyset
from tracker.console.models import AuditEntry
from tracker.models import Cart, Item

PERMISSION = "tracker.export_carts"
CHUNK_ROWS = 2_000
# The limit for a browser: a slow client occupies a thread for as long as it reads.
BROWSER_ROWS = 100_000
_NO_LIMIT = "manage.py export has no limit."

log = logging.getLogger("console")


class Sheet(NamedTuple):
    """One kind of file: its list, and its columns.

    `keyset` is the order, if it differs from the list's.
    """

    model: type[Model]
    columns: Callable[[], dict[str, Callable[[Any], Cell]]]
    keyset: Keyset | None = None


class Selection(NamedTuple):
    """The rows to export in their order. `params` are the parameters that selected them."""

    name: str
    rows: QuerySet[Any]
    keyset: Keyset
    params: dict[str, str]

    @property
    def cart_id(self) -> UUID | None:
        """Return the cart that was searched for: its erasure also empties this entry of the log."""
        return search.read(self.params.get("q", "")).cart_id

    def __str__(self) -> str:
        return ", ".join([self.name, *(f"{key}={value}" for key, value in self.params.items())])


def _carts() -> dict[str, Callable[[Cart], Cell]]:
    return {
        "cart_id": lambda cart: str(cart.id),
        "items": lambda cart: cart.item_count,
        "value_cents": lambda cart: int(cart.value),
        f"value_{settings.CURRENCY}": lambda cart: units(cart.value),
        "first_activity_utc": lambda cart: cart.created_at,
        "last_activity_utc": lambda cart: cart.updated_at,
        "state": state_of,
    }


def _items() -> dict[str, Callable[[Item], Cell]]:
    return {
        "cart_id": lambda item: str(item.cart_id),
        "product_id": lambda item: item.product_id,
        "name": lambda item: item.name,
        "price_cents": lambda item: item.price,
        f"price_{settings.CURRENCY}": lambda item: units(item.price),
        "first_added_utc": lambda item: item.created_at,
        "last_added_utc": lambda item: item.updated_at,
    }


SHEETS = {
    # Each add moves its cart to the front of the list, so an export in that order would miss busy
    # carts. A cart's id stays.
    "carts": Sheet(Cart, _carts, Keyset("id")),
    "items": Sheet(Item, _items),
}


def name_of(model: type[Model]) -> str | None:
    """Return the name of the sheet for the list of this model, or None."""
    return next((name for name, sheet in SHEETS.items() if sheet.model is model), None)


def command_line(name: str, query: str) -> str:
    """Return the command that exports the same without a limit."""
    chosen = f" --query {shlex.quote(query)}" if query else ""
    return f"manage.py export {name}{chosen}"


def select(name: str, request: HttpRequest) -> Selection:
    """Select what the list shows for the query string of this request.

    The selection is the list's own, so that later filters work here, too. What depends on the time
    ("active") is decided here, once for the whole export.

    Raises BadRequest for a parameter that the list does not declare, and django.db.Error.
    """
    sheet = SHEETS[name]
    model_admin: Any = admin.site.get_model_admin(sheet.model)
    shown = model_admin.get_changelist_instance(request)
    return Selection(name, shown.queryset, sheet.keyset or shown.keyset, shown.params)


class Export:
    """One export. Iterate over it once for the bytes of its file; `rows` counts the rows so far.

    Rows are read in chunks by keyset, each in a transaction of its own, so that memory is flat and
    no lock is held while a client reads. Rows that are added, deleted or moved meanwhile make no
    other row appear twice or not at all. The audit log has its end, even if it breaks off.

    `record` writes to the audit log; `max_rows` limits the rows, `timeout_ms` each statement.
    Making one and iterating raise django.db.Error.
    """

    def __init__(
        self,
        selection: Selection,
        record: Callable[[str], None],
        *,
        max_rows: int | None = None,
        timeout_ms: int | None = None,
    ) -> None:
        self.rows = 0
        self._selection, self._record = selection, record
        self._max_rows, self._timeout_ms = max_rows, timeout_ms
        self._columns = SHEETS[selection.name].columns()
        self._outcome = "broken off"
        record(f"begun: {selection}")

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield spreadsheet.head(self._columns)
            yield from self._chunks()
        finally:
            self._record_end()

    def _chunks(self) -> Iterator[bytes]:
        cursor = None
        while True:
            left = CHUNK_ROWS if self._max_rows is None else self._max_rows - self.rows
            with time_limit(self._timeout_ms):
                chunk = self._selection.keyset.page(
                    self._selection.rows, size=min(CHUNK_ROWS, left), after=cursor
                )
            cells = ([cell(row) for cell in self._columns.values()] for row in chunk.rows)
            part = spreadsheet.lines(cells)
            self.rows += len(chunk.rows)
            yield part
            cursor = chunk.older
            if cursor is None:
                self._outcome = "complete"
                return
            if self.rows == self._max_rows:
                self._outcome = "cut off"
                text = f"# There is more: cut off after {self.rows:,} rows. {_NO_LIMIT}"
                # As many cells as in the other lines.
                yield spreadsheet.lines([[text] + [None] * (len(self._columns) - 1)])
                return

    def _record_end(self) -> None:
        """Record the end. If the database does not answer now, only this entry is lost."""
        try:
            with time_limit(self._timeout_ms):
                self._record(f"{self._outcome}, {self.rows:,} rows: {self._selection}")
        except Error:
            log.exception("the end of an export is missing in the audit log")


@page("export/<str:name>/", name="export", title="Export", permission=PERMISSION, in_menu=False)
def export(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer POST /admin/export/carts/?state=stale&q=: a file of at most BROWSER_ROWS rows.

    A POST, because it takes data out and writes to the audit log. A GET (a bookmark, or after a
    login) leads to the list with the same selection and its button.
    """
    if name not in SHEETS:
        raise Http404(f"There is no export of {name}.")
    model_admin: Any = admin.site.get_model_admin(SHEETS[name].model)
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    if request.method != "POST":
        query = request.GET.copy()
        for cursor in (AFTER, BEFORE):
            query.pop(cursor, None)
        address = reverse(f"admin:tracker_{model_admin.opts.model_name}_changelist", query=query)
        return HttpResponseRedirect(address)
    selection = select(name, request)

    def record(detail: str) -> None:
        audit.record(request, AuditEntry.Action.EXPORTED, cart_id=selection.cart_id, detail=detail)

    return StreamingHttpResponse(
        iter(Export(selection, record, max_rows=BROWSER_ROWS, timeout_ms=READ_TIMEOUT_MS)),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}-{timezone.now():%Y-%m-%d}.csv"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
