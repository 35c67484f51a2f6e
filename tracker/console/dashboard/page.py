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
from tracker.console.dashboard.charts import Point, bar_chart
from tracker.console.dashboard.figures import WINDOWS, Limits, Span, Window
from tracker.console.frame.site import page, render
from tracker.console.lists.paging import count_text, estimated_count
from tracker.intake.contract import Unavailable
from tracker.models import DeadLetter

PERMISSION = "tracker.view_item"


@page("", name="dashboard", title="Dashboard", permission=None)
@require_safe
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """Answer GET /admin/?window=24h|7d|30d: the figures, or a sentence without permission.

    Reads the tallies, and a bounded number of items for the top products.
    """
    if not request.user.has_perm(PERMISSION):
        return render(request, "admin/console/no_figures.html", "Operations console")
    name = request.GET.get("window", "24h")
    if name not in WINDOWS:
        raise BadRequest(f"There is no window {name[:20]!r}: use one of {', '.join(WINDOWS)}.")
    window, now = WINDOWS[name], timezone.now()
    choices = [
        {"query_string": f"?window={each.name}", "selected": each == window, "display": each.words}
        for each in WINDOWS.values()
    ]
    context = {"window": window, "now": now, "tabs": [{"title": "Window", "choices": choices}]}
    context |= _added(window, now) | _carts(window, now) | _products(window, now) | _intake()
    return render(request, "admin/console/dashboard.html", "Dashboard", **context)


def _added(window: Window, now: datetime) -> dict[str, Any]:
    """Return what was added: two numbers, each compared with the previous window, two charts."""
    span = Span.of(window, now)
    series = figures.series(span, window.step)
    before = figures.added(span.before())
    numbers, charts = [], []
    for name, words, former in (
        ("items", "Items added", before.items),
        ("carts", "New carts", before.carts),
    ):
        total = sum(getattr(added, name) for _, added in series)
        numbers.append({"name": words, "number": total} | change(total, former, window.words))
        points = [_point(step, getattr(added, name), window) for step, added in series]
        charts.append(bar_chart(name, f"{words} per {window.step_words}", points))
    return {"since": span.start, "added": numbers, "charts": charts}


def change(number: int, before: int, words: str) -> dict[str, str]:
    """Compare a number with that of the previous window: a sign, and the same in words."""
    then = f"the {words} before"
    if number == before:
        return {"sign": "=", "change": f"as many as in {then}"}
    sign, way = ("▲", "up") if number > before else ("▼", "down")
    percent = round(abs(number - before) * 100 / before) if before else 0
    # A higher percentage is harder to read than the two numbers.
    by = f" {percent} %" if 1 <= percent <= 999 else ""
    return {"sign": sign, "change": f"{way}{by} from {before:,} in {then}"}


def _point(span: Span, value: int, window: Window) -> Point:
    """Return a point of a chart. Its label below is dropped by the chart if labels overlap."""
    start, end = span.start, span.end
    if window.step > timedelta(hours=1):  # Label each midnight, or every sixth hour.
        tick = f"{start.day} {start:%b}" if start.time().hour == 0 else ""
    else:
        tick = f"{start:%H:%M}" if figures.floor(start, 6 * window.step) == start else ""
    until = f"{end:%H:%M}" if end.date() == start.date() else "24:00"
    label = f"{start:%Y-%m-%d %H:%M} to {until}"
    return Point(label, tick, value, is_whole=end - start == window.step)


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
    products = [
        {"product_id": name, "items": items, "share": round(100 * items / top.products[0][1], 1)}
        for name, items in top.products
    ]
    return {"products": products, "top": top, "is_estimate": top.items_read < top.items}


def _intake() -> dict[str, Any]:
    """Return what waits, the dead letters, and what was refused."""
    url = settings.SERVED_INTAKE_URL
    letters, exact = estimated_count(DeadLetter.objects.all())
    counts = settings.SERVES_STOREFRONT
    context: dict[str, Any] = {
        "intake": url.partition(":")[0],
        "dead_letters": count_text(letters, exact=exact, whole=True),
        "dead_letters_page": _address("tracker_deadletter_changelist"),
        "counts_refusals": counts,
        "refusals": intake_state.refusals() if counts else None,
        "refusals_page": _address("refusals"),
    }
    try:
        backlog = intake_state.backlog(url)
    except Unavailable as error:
        return context | {"unavailable": str(error) or "no reason is given"}
    return context | {"backlog": backlog, "oldest": backlog and _age(backlog.oldest_age_s)}


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
