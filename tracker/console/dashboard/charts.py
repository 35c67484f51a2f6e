"""Bar charts as inline SVG: positions and sizes for templates/admin/console/bar_chart.html.

No script, no style: sizes and positions are attributes, colours come from classes. A chart is as
wide as a phone in units, so that its text stays readable there. Wider screens enlarge it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

WIDTH, HEIGHT = 360, 190
_TOP, _RIGHT, _BOTTOM = 12, 6, 22
_DIGIT = 6.5  # The width of a digit of the axis, about.
_GAP = 0.2  # The space between bars, as a share of a bar's place.
_MIN_HEIGHT = 1.5  # Of a bar that is not zero, so that one among millions is still visible.
_LABEL_WIDTH = 44  # Of a time below the axis.
_STEPS = 4  # At most so many lines above zero.


@dataclass(frozen=True)
class Point:
    """A value, its name, and a short text below it, or none.

    `is_whole` is false if it covers a shorter time than its neighbours.
    """

    label: str
    tick: str
    value: int
    is_whole: bool = True


@dataclass(frozen=True)
class Bar:
    """A point and the position of its bar."""

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
    """A line across the chart and its label."""

    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Bars, the lines behind them, and the bars with a text below.

    `name` is unique on the page: ids are made of it.
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
    """Make a chart with a bar for each point. There is at least one, and no value is negative."""
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
    """Shorten a number for an axis: 9,500 as it is, 20,000 to 20k, 1,500,000 to 1.5M."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size and number >= 10_000:
            return f"{number / size:g}{letter}"
    return f"{number:,}"


def _numbers(highest: int) -> list[int]:
    """Return the numbers of the lines, from zero to the first above all bars; at least two.

    Their distance is 1, 2 or 5 times a power of ten, the smallest that needs at most `_STEPS`.
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
    """Return the bars whose texts overlap neither the previous text nor the edge."""
    found: list[Bar] = []
    for bar in bars:
        fits = bar.middle + _LABEL_WIDTH / 2 <= WIDTH
        if fits and (not found or bar.middle - found[-1].middle >= _LABEL_WIDTH):
            found.append(bar)
    return found
