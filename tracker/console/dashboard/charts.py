"""Bar charts as inline SVG: what is where, in numbers, for templates/admin/console/bar_chart.html.

No script, no style: sizes and places are attributes, colours come from classes. A chart is as wide
as a phone, in units, so that its letters stay readable there; wider screens enlarge it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

WIDTH, HEIGHT = 360, 190
_TOP, _RIGHT, _BOTTOM = 12, 6, 22
_DIGIT = 6.5  # As wide as a digit of the axis, about.
_GAP = 0.2  # Of a bar's place.
_MIN_HEIGHT = 1.5  # Of a bar that is not zero: a single one among millions is still seen.
_LABEL_WIDTH = 44  # Of a time below the axis.
_STEPS = 4  # Lines above zero, at most.


@dataclass(frozen=True)
class Point:
    """A value, what it is of, and what may stand below it: a short text, or none.

    `is_whole` is false where it counts for a shorter time than its neighbours.
    """

    label: str
    tick: str
    value: int
    is_whole: bool = True


@dataclass(frozen=True)
class Bar:
    """A point, and where its bar is."""

    point: Point
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True)
class Line:
    """A line across the chart, and what is written beside it."""

    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Bars, the lines behind them, and which of the bars have a text below.

    `name` is a word that no other chart of the page has: ids are made of it.
    """

    name: str
    title: str
    points: Sequence[Point]
    bars: list[Bar]
    lines: list[Line]
    ticks: list[Bar]
    left: float

    width, height, right = WIDTH, HEIGHT, WIDTH - _RIGHT
    base = HEIGHT - _BOTTOM

    @property
    def total(self) -> int:
        return sum(point.value for point in self.points)

    @property
    def highest(self) -> Point:
        return max(self.points, key=lambda point: point.value)

    @property
    def has_parts(self) -> bool:
        return not all(point.is_whole for point in self.points)


def bar_chart(name: str, title: str, points: Sequence[Point]) -> Chart:
    """A chart of at least one point, with a bar for each. No value is below zero."""
    numbers = _numbers(max(point.value for point in points))
    left = 8 + _DIGIT * max(len(short(number)) for number in numbers)
    scale = (HEIGHT - _BOTTOM - _TOP) / numbers[-1]
    bars = [_bar(point, n, len(points), left, scale) for n, point in enumerate(points)]
    return Chart(
        name=name,
        title=title,
        points=points,
        bars=bars,
        lines=[
            Line(round(HEIGHT - _BOTTOM - number * scale, 1), short(number)) for number in numbers
        ],
        ticks=_thinned([bar for bar in bars if bar.point.tick]),
        left=left,
    )


def short(number: int) -> str:
    """For an axis: 9,500 as it is, 20,000 as 20k, 1,500,000 as 1.5M."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size and number >= 10_000:
            return f"{number / size:g}{letter}"
    return f"{number:,}"


def _numbers(highest: int) -> list[int]:
    """The lines' numbers, from zero to the first that no bar is above; at least two.

    Their distance is 1, 2 or 5 with noughts, the least that needs no more than `_STEPS`.
    """
    step = next(
        digit * 10**power
        for power in count()
        for digit in (1, 2, 5)
        if digit * 10**power * _STEPS >= highest
    )
    lines = max(1, -(-highest // step))
    return [step * n for n in range(lines + 1)]


def _bar(point: Point, number: int, among: int, left: float, scale: float) -> Bar:
    place = (WIDTH - _RIGHT - left) / among
    height = max(_MIN_HEIGHT, point.value * scale) if point.value > 0 else 0.0
    return Bar(
        point,
        x=round(left + place * (number + _GAP / 2), 1),
        y=round(HEIGHT - _BOTTOM - height, 1),
        width=round(place * (1 - _GAP), 1),
        height=round(height, 1),
    )


def _thinned(bars: list[Bar]) -> list[Bar]:
    """Those of the bars whose texts do not run into the one before, or out of the picture."""
    found: list[Bar] = []
    for bar in bars:
        fits = bar.middle + _LABEL_WIDTH / 2 <= WIDTH
        if fits and (not found or bar.middle - found[-1].middle >= _LABEL_WIDTH):
            found.append(bar)
    return found
