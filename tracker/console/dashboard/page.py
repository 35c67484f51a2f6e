"""The console's first page: what was added, the carts, and the state of the intake."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from tracker.console.dashboard import figures, intake_state
from tracker.console.dashboard.charts import Chart, Point, bar_chart
from tracker.console.dashboard.figures import WINDOWS, Added, Limits, Span, Window
from tracker.console.frame.site import page, render
from tracker.console.lists.paging import count_text, estimated_count
from tracker.intake.contract import Unavailable
from tracker.models import DeadLetter

PERMISSION = "tracker.view_item"

_TEMPLATES = "admin/console"


@page("", name="dashboard", title="Dashboard", permission=None)
@require_safe
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """Answer GET /admin/?window=24h|7d|30d: the figures, or a sentence without permission.

    Reads the tallies, and a bounded number of items for the top products.
    """
    if not request.user.has_perm(PERMISSION):
        return render(request, f"{_TEMPLATES}/no_figures.html", "Operations console")
    window, now = _window(request), timezone.now()
    parts = _flow(window, now) | _carts(window, now) | _products(window, now) | _intake()
    context = parts | {"window": window, "now": now, "tabs": [_tabs(window)]}
    return render(request, f"{_TEMPLATES}/dashboard.html", "Dashboard", **context)


def _window(request: HttpRequest) -> Window:
    name = request.GET.get("window", "24h")
    if name not in WINDOWS:
        raise BadRequest(f"There is no window {name[:20]!r}: use one of {', '.join(WINDOWS)}.")
    return WINDOWS[name]


def _tabs(chosen: Window) -> dict[str, Any]:
    choices = [
        {"query_string": f"?window={each.name}", "selected": each == chosen, "display": each.words}
        for each in WINDOWS.values()
    ]
    return {"title": "Window", "choices": choices}


def _flow(window: Window, now: datetime) -> dict[str, Any]:
    """Return what was added: two numbers, each beside that of the previous window, two charts."""
    span = Span.of(window, now)
    series = figures.series(span, window.step)
    total = Added(*(sum(column) for column in zip(*(each for _, each in series), strict=True)))
    before = figures.added(span.before())
    per = _per(window.step)
    return {
        "since": span.start,
        "added": [
            _compared("Items added", total.items, before.items, window),
            _compared("New carts", total.carts, before.carts, window),
        ],
        "charts": [
            _chart("items", f"Items added per {per}", series, window.step),
            _chart("carts", f"New carts per {per}", series, window.step),
        ],
    }


def _compared(name: str, number: int, before: int, window: Window) -> dict[str, Any]:
    return {"name": name, "number": number} | change(number, before, window.words)


def change(number: int, before: int, words: str) -> dict[str, str]:
    """Compare a number with that of the previous window: a sign, and the same in words."""
    then = f"the {words} before"
    if number == before:
        return {"sign": "=", "change": f"as many as in {then}"}
    sign, way = ("▲", "up") if number > before else ("▼", "down")
    percent = round(abs(number - before) * 100 / before) if before else 0
    # Above this, the number itself says more.
    by = f" {percent} %" if 1 <= percent <= 999 else ""
    return {"sign": sign, "change": f"{way}{by} from {before:,} in {then}"}


def _per(step: timedelta) -> str:
    hours = step // timedelta(hours=1)
    return {1: "hour", 24: "day"}.get(hours, f"{hours} hours")


def _chart(name: str, title: str, series: list[tuple[Span, Added]], step: timedelta) -> Chart:
    points = [
        Point(
            label=f"{span.start:%Y-%m-%d %H:%M} to {_end(span)}",
            tick=_tick(span, step),
            value=getattr(added, name),
            is_whole=span.end - span.start == step,
        )
        for span, added in series
    ]
    return bar_chart(name, title, points)


def _end(span: Span) -> str:
    return f"{span.end:%H:%M}" if span.end.date() == span.start.date() else "24:00"


def _tick(span: Span, step: timedelta) -> str:
    """Label every sixth hour, every midnight, or every day. The chart drops labels that overlap."""
    if step > timedelta(hours=1):
        return f"{span.start.day} {span.start:%b}" if span.start.time().hour == 0 else ""
    return f"{span.start:%H:%M}" if figures.floor(span.start, 6 * step) == span.start else ""


def _carts(window: Window, now: datetime) -> dict[str, Any]:
    """Return the carts as they are now. Earlier numbers of active carts are not stored."""
    limits = Limits.at(now)
    found = figures.carts_by_state(limits, window.length)
    active, stale = (f"{at:%Y-%m-%d %H:%M}" for at in (limits.active_since, limits.stale_before))
    when = {
        "active": f"since {active}",
        "idle": f"{stale} to {active}",
        "stale": f"before {stale}",
    }
    states = [{"name": name, "when": when[name], "carts": found[name]} for name in when]
    return {"states": states, "newly_stale": found["newly_stale"]}


def _products(window: Window, now: datetime) -> dict[str, Any]:
    top = figures.top_products(Span.of(window, now))
    rows = [
        {"product_id": name, "items": items, "share": round(100 * items / top.products[0][1], 1)}
        for name, items in top.products
    ]
    return {"products": rows, "top": top, "is_estimate": top.looked_at < top.items}


def _intake() -> dict[str, Any]:
    """Return what waits, the dead letters, and what was refused."""
    letters, exact = estimated_count(DeadLetter.objects.all())
    counts = settings.SERVES_STOREFRONT
    return _backlog() | {
        "dead_letters": count_text(letters, exact=exact, whole=True),
        "dead_letters_page": _address("tracker_deadletter_changelist"),
        "counts_refusals": counts,
        "refusals": intake_state.refusals() if counts else None,
        "refusals_page": _address("refusals"),
    }


def _backlog() -> dict[str, Any]:
    url = settings.SERVED_INTAKE_URL
    kind = {"intake": url.partition(":")[0]}
    try:
        backlog = intake_state.backlog(url)
    except Unavailable as error:
        return kind | {"away": str(error) or "no reason is given"}
    return kind | {"backlog": backlog, "oldest": backlog and _age(backlog.oldest_age_s)}


def _age(seconds: float) -> str:
    """Return an age in its two largest units, like 1 h 5 min, or an empty text."""
    units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)]
    parts: list[str] = []
    rest = int(seconds)
    for name, size in units:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append(f"{number} {name}")
    return " ".join(parts[:2])


def _address(name: str) -> str:
    """Return the address of a page, or an empty text if this console does not have it."""
    try:
        return reverse(f"admin:{name}")
    except NoReverseMatch:
        return ""
