"""Refusals, "Why does my add not show up?": counts by code and origin, and the newest."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from tracker.console.frame.site import page, render
from tracker.endpoint.error_codes import ErrorCode
from tracker.operations.refusal_record import NO_ORIGIN, NOT_READ, OTHERS, Refusal
from tracker.operations.refusals import ANY_CODE, Count, collect

MAX_SHOWN = 200
MAX_ORIGINS_SHOWN = 100

_NAMES = {NO_ORIGIN: "none: a server or a script", NOT_READ: "not read", OTHERS: "others"}

# A process of another version may have counted codes that are missing here.
_KNOWN_CODES: dict[str, ErrorCode] = {code: code for code in ErrorCode}


class Chosen(NamedTuple):
    """The filter. "" means all."""

    code: str = ""
    origin: str = ""

    def takes(self, refusal: Refusal) -> bool:
        return self.code in ("", *refusal.codes) and self.origin in ("", refusal.origin)


class Row(NamedTuple):
    """A row of one of the two tables. `address` filters the page by it, `chosen` if it does."""

    key: str
    name: str
    requests: int
    last: datetime
    address: str
    chosen: bool


class Shown(NamedTuple):
    """A refusal of the sample, as shown."""

    refusal: Refusal
    at: datetime
    origin: str


@page("refusals/", name="refusals", title="Refusals", permission="tracker.view_item")
@require_safe
def refusals(request: HttpRequest) -> HttpResponseBase:
    """Answer GET /admin/refusals/?code=&origin=: counts and the sample, filtered."""
    chosen = Chosen(request.GET.get("code", ""), request.GET.get("origin", ""))
    found = collect()
    return render(
        request,
        "admin/console/refusals.html",
        "Refusals",
        chosen=chosen,
        chosen_origin=_named(chosen.origin),
        any_code=urlencode({"origin": chosen.origin}),
        any_origin=urlencode({"code": chosen.code}),
        total=sum(each.requests for each in found.counts if each.code == ANY_CODE),
        codes=_codes(found.counts, chosen),
        origins=_origins(found.counts, chosen),
        sample=[_shown(each) for each in reversed(found.sample) if chosen.takes(each)][:MAX_SHOWN],
        max_shown=MAX_SHOWN,
    )


def _codes(counts: Iterable[Count], chosen: Chosen) -> list[tuple[Row, ErrorCode | None]]:
    """Return each code with its count, of the chosen origin if there is one."""
    by_code: dict[str, list[Count]] = {}
    for each in counts:
        if each.code and chosen.origin in ("", each.origin):
            by_code.setdefault(each.code, []).append(each)
    rows = [
        _row(code, code, same, Chosen(code, chosen.origin), chosen=chosen.code == code)
        for code, same in by_code.items()
    ]
    return [(row, _KNOWN_CODES.get(row.key)) for row in _most_first(rows)]


def _origins(counts: Iterable[Count], chosen: Chosen) -> list[Row]:
    """Return each origin with its count, of the chosen code if there is one."""
    rows = [
        _row(
            each.origin,
            _named(each.origin),
            [each],
            Chosen(chosen.code, each.origin),
            chosen=chosen.origin == each.origin,
        )
        for each in counts
        if each.code == chosen.code
    ]
    return _most_first(rows)[:MAX_ORIGINS_SHOWN]


def _row(key: str, name: str, counts: list[Count], narrowed: Chosen, *, chosen: bool) -> Row:
    last = max(each.last for each in counts)
    address = f"?{urlencode(narrowed._asdict())}"
    return Row(key, name, sum(each.requests for each in counts), _time(last), address, chosen)


def _most_first(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-row.requests, row.name))


def _shown(refusal: Refusal) -> Shown:
    return Shown(refusal, _time(refusal.at), _named(refusal.origin))


def _named(origin: str) -> str:
    return _NAMES.get(origin, origin)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
