"""The dashboard's numbers, from the tallies, so that the size of the tables does not matter.

Only the top products are read from the items, by an index and never more than SAMPLE_ITEMS.

The tallies count by ten minutes, so every span begins and ends at a multiple of ten minutes. The
end of a span is exclusive. All times are UTC.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import DateTimeField, Q, Sum
from django.db.models.functions import Trunc

from tracker.models import Item, Tally
from tracker.rows.times import EPOCH

BUCKET = timedelta(minutes=10)
MAX_PRODUCTS = 10
SAMPLE_ITEMS, SAMPLE_POINTS = 20_000, 25

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """How far back the dashboard looks, and how much time a bar of a chart covers."""

    name: str
    words: str
    length: timedelta
    step: timedelta
    step_words: str


WINDOWS = {
    each.name: each
    for each in (
        Window("24h", "24 hours", timedelta(hours=24), timedelta(hours=1), "hour"),
        Window("7d", "7 days", timedelta(days=7), timedelta(hours=6), "6 hours"),
        Window("30d", "30 days", timedelta(days=30), _DAY, "day"),
    )
}


@dataclass(frozen=True)
class Span:
    """The time from `start` (inclusive) to `end` (exclusive)."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, window: Window, now: datetime) -> "Span":
        """Return the span of this window that ends with the current ten minutes."""
        end = floor(now, BUCKET) + BUCKET
        return cls(end - window.length, end)

    def before(self) -> "Span":
        """Return the span of the same length that ends where this one begins."""
        return Span(self.start - (self.end - self.start), self.start)

    def steps(self, step: timedelta) -> Iterator["Span"]:
        """Cut the span at whole hours or days. The first and the last piece may be shorter."""
        start = self.start
        while start < self.end:
            end = min(floor(start, step) + step, self.end)
            yield Span(start, end)
            start = end


class Added(NamedTuple):
    """The items first added, and the carts with their first activity, within a span."""

    items: int
    carts: int


class Carts(NamedTuple):
    """The number of carts of a kind, and their value in cents."""

    number: int
    value: Decimal

    def without(self, others: "Carts") -> "Carts":
        return Carts(self.number - others.number, self.value - others.value)


@dataclass(frozen=True)
class Limits:
    """Active carts were last seen at `active_since` or later, stale ones before `stale_before`."""

    active_since: datetime
    stale_before: datetime

    @classmethod
    def at(cls, now: datetime) -> "Limits":
        """Return the limits at a time, rounded down to ten minutes."""
        active = floor(now - timedelta(hours=settings.CART_ACTIVE_HOURS), BUCKET)
        stale = floor(now - timedelta(hours=settings.CART_STALE_HOURS), BUCKET)
        return cls(active, min(active, stale))


class Total(Sum):
    """A sum of money that never fails.

    SQLite's sum() fails above 64 bits, which a thousand items of the highest price exceed
    (sqlite.org/lang_aggfunc.html, "sumunc"). Its total() is exact up to 15 digits.
    """

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sqlite(compiler, connection, function="TOTAL", **extra)


def floor(time: datetime, step: timedelta) -> datetime:
    """Round a time down to a whole step: ten minutes, an hour, or a day."""
    return time - (time - EPOCH) % step


def added(span: Span) -> Added:
    """Count what was added within a span. Reads one range of the tally's index."""
    sums = _tallies(span).aggregate(items=Sum("new_items"), carts=Sum("new_carts"))
    return Added(sums["items"] or 0, sums["carts"] or 0)


def series(span: Span, step: timedelta) -> list[tuple[Span, Added]]:
    """Count what was added within each step of a span, also empty ones.

    The database sums up hours or days, so that it returns at most about 170 rows.
    """
    kind = "day" if step % _DAY == timedelta() else "hour"
    rows = (
        _tallies(span)
        .values(at=Trunc("bucket", kind, tzinfo=UTC, output_field=DateTimeField()))
        .annotate(items=Sum("new_items"), carts=Sum("new_carts"))
    )
    found: dict[datetime, Added] = {}
    for row in rows:
        at = floor(row["at"], step)
        items, carts = found.get(at, Added(0, 0))
        found[at] = Added(items + row["items"], carts + row["carts"])
    return [(each, found.get(floor(each.start, step), Added(0, 0))) for each in span.steps(step)]


def carts_by_state(limits: Limits, length: timedelta) -> dict[str, Carts]:
    """Count active, idle and stale carts; "newly_stale" became stale within the last `length`.

    Reads the whole tally once: a row for every ten minutes and shard. Most rows are old, so all
    sums but one leave them out, and the carts between two limits are a difference.
    """
    since: dict[str, Q | None] = {
        "ever": None,
        "active": Q(bucket__gte=limits.active_since),
        "fresh": Q(bucket__gte=limits.stale_before),
        "lately": Q(bucket__gte=limits.stale_before - length),
    }
    sums = Tally.objects.aggregate(
        **{f"{name}_number": Sum("seen_carts", filter=when) for name, when in since.items()},
        **{f"{name}_value": Total("seen_value", filter=when) for name, when in since.items()},
    )
    seen = {
        name: Carts(sums[f"{name}_number"] or 0, Decimal(sums[f"{name}_value"] or 0))
        for name in since
    }
    return {
        "active": seen["active"],
        "idle": seen["fresh"].without(seen["active"]),
        "stale": seen["ever"].without(seen["fresh"]),
        "newly_stale": seen["lately"].without(seen["fresh"]),
    }


class Top(NamedTuple):
    """The top products with the number of carts, and how many items of how many were read."""

    products: list[tuple[str, int]]
    items_read: int
    items: int


def top_products(span: Span) -> Top:
    """Return the products that were put into the most carts within a span.

    Exact up to SAMPLE_ITEMS items; above, estimated from a sample that is spread evenly over the
    items of the span. A count by product and day would make each merge slower
    (docs/performance.md).
    """
    items = added(span).items
    found: Counter[str] = Counter()
    for start, size in [(span.start, SAMPLE_ITEMS)] if items <= SAMPLE_ITEMS else _points(span):
        rows = Item.objects.filter(created_at__gte=start, created_at__lt=span.end)
        found.update(rows.order_by("created_at", "id").values_list("product_id", flat=True)[:size])
    items_read = found.total()
    ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_PRODUCTS]
    # More items may be read than were counted, if some were added meanwhile.
    scale = max(1.0, items / items_read) if items_read else 1.0
    return Top([(name, round(number * scale)) for name, number in ranked], items_read, items)


def _points(span: Span) -> list[tuple[datetime, int]]:
    """Return where to read, and how many items there: points with equally many items between."""
    rows = _tallies(span).values("bucket").annotate(items=Sum("new_items")).order_by("bucket")
    counts = list(rows.values_list("bucket", "items"))
    step = sum(items for _, items in counts) / SAMPLE_POINTS
    points: list[tuple[datetime, int]] = []
    before = 0
    for bucket, items in counts:
        while len(points) * step < before + items:
            into = (len(points) * step - before) / items
            points.append((bucket + into * BUCKET, SAMPLE_ITEMS // SAMPLE_POINTS))
        before += items
    return points


def _tallies(span: Span) -> Any:
    return Tally.objects.filter(bucket__gte=span.start, bucket__lt=span.end)
