"""Refusals, for "Why does my add not show up?": counts by code and by origin, and the newest."""

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


class Filter(NamedTuple):
    """The chosen code and origin. "" means all."""

    code: str = ""
    origin: str = ""

    def matches(self, refusal: Refusal) -> bool:
        return self.code in ("", *refusal.codes) and self.origin in ("", refusal.origin)


class Total(NamedTuple):
    """The refusals of a code or an origin. `address` filters the page by it.

    `is_chosen` says whether the page is filtered by it now.
    """

    name: str
    requests: int
    last: datetime
    address: str
    is_chosen: bool


@page("refusals/", name="refusals", title="Refusals", permission="tracker.view_item")
@require_safe
def refusals(request: HttpRequest) -> HttpResponseBase:
    """Answer GET /admin/refusals/?code=&origin=: counts and the sample, filtered."""
    chosen = Filter(request.GET.get("code", ""), request.GET.get("origin", ""))
    found = collect()
    sample = [each for each in reversed(found.sample) if chosen.matches(each)][:MAX_SHOWN]
    return render(
        request,
        "admin/console/refusals.html",
        "Refusals",
        chosen=chosen,
        chosen_origin=_origin_name(chosen.origin),
        any_code=urlencode({"origin": chosen.origin}),
        any_origin=urlencode({"code": chosen.code}),
        total=sum(each.requests for each in found.counts if each.code == ANY_CODE),
        codes=_codes(found.counts, chosen),
        origins=_origins(found.counts, chosen),
        sample=[(each, _time(each.at), _origin_name(each.origin)) for each in sample],
        max_shown=MAX_SHOWN,
    )


def _codes(counts: Iterable[Count], chosen: Filter) -> list[tuple[Total, ErrorCode | None]]:
    """Return each code with its count, of the chosen origin if there is one."""
    by_code: dict[str, list[Count]] = {}
    for each in counts:
        if each.code and chosen.origin in ("", each.origin):
            by_code.setdefault(each.code, []).append(each)
    totals = [
        _total(code, same, chosen._replace(code=code), is_chosen=chosen.code == code)
        for code, same in by_code.items()
    ]
    return [(total, _KNOWN_CODES.get(total.name)) for total in _most_first(totals)]


def _origins(counts: Iterable[Count], chosen: Filter) -> list[Total]:
    """Return each origin with its count, of the chosen code if there is one."""
    totals = [
        _total(
            _origin_name(each.origin),
            [each],
            chosen._replace(origin=each.origin),
            is_chosen=chosen.origin == each.origin,
        )
        for each in counts
        if each.code == chosen.code
    ]
    return _most_first(totals)[:MAX_ORIGINS_SHOWN]


def _total(name: str, counts: list[Count], narrowed: Filter, *, is_chosen: bool) -> Total:
    return Total(
        name,
        requests=sum(each.requests for each in counts),
        last=_time(max(each.last for each in counts)),
        address=f"?{urlencode(narrowed._asdict())}",
        is_chosen=is_chosen,
    )


def _most_first(totals: list[Total]) -> list[Total]:
    return sorted(totals, key=lambda total: (-total.requests, total.name))


def _origin_name(origin: str) -> str:
    return _NAMES.get(origin, origin)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
