"""Charts: well-formed, to scale, and readable without looking at them."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string

from tracker.console.dashboard.charts import HEIGHT, WIDTH, Chart, Point, bar_chart, short

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"><script>alert("1")</script> & <b'


def chart(*values: int, label: str = "then", tick: str = "") -> Chart:
    return bar_chart("items", "Items added", [Point(label, tick, value) for value in values])


def html(drawn: Chart) -> str:
    return render_to_string("admin/console/bar_chart.html", {"chart": drawn})


def svg(drawn: Chart) -> ElementTree.Element:
    found = re.search(r"<svg.*</svg>", html(drawn), re.DOTALL)
    assert found
    return ElementTree.fromstring(found[0])


def test_a_chart_is_xml_that_says_what_it_shows() -> None:
    root = svg(chart(3, 12_000, 7))
    assert root.get("role") == "img"
    named = {each.get("id"): each.text for each in root}
    assert named[root.get("aria-labelledby")] == "Items added"
    assert "12,010 in all. The highest number, 12,000" in str(named[root.get("aria-describedby")])


def test_whatever_a_label_says_is_text() -> None:
    drawn = bar_chart("items", HOSTILE, [Point(HOSTILE, HOSTILE, 1)])
    root = svg(drawn)
    assert {each.tag for each in root.iter()} == {
        f"{SVG}{name}" for name in ("svg", "title", "desc", "g", "line", "text", "rect")
    }
    assert root.findtext(f"{SVG}title") == HOSTILE
    assert "<script" not in html(drawn)


def test_bars_are_to_scale_and_stand_on_the_same_line() -> None:
    one, two, four = chart(100, 200, 400).bars
    assert two.height == pytest.approx(2 * one.height, abs=0.2)
    assert four.height == pytest.approx(4 * one.height, abs=0.2)
    assert {round(bar.y + bar.height, 1) for bar in (one, two, four)} == {chart(1).base}


@pytest.mark.parametrize("highest", [1, 3, 4, 5, 9, 10, 11, 99, 100, 4001, 123_456, 10**12])
def test_no_bar_is_above_the_highest_line_or_outside(highest: int) -> None:
    drawn = chart(*[highest] * 31)
    top = min(line.y for line in drawn.lines)
    assert 2 <= len(drawn.lines) <= 5
    for bar in drawn.bars:
        assert top - 0.1 <= bar.y < HEIGHT
        assert drawn.left <= bar.x < bar.x + bar.width <= WIDTH


def test_what_stands_below_the_bars_does_not_overlap() -> None:
    drawn = chart(*[1] * 31, tick="20 Nov")
    places = [bar.middle for bar in drawn.ticks]
    assert len(places) > 3
    assert all(after - before >= 40 for before, after in pairwise(places))


def test_one_among_a_million_is_still_seen() -> None:
    nothing, one, _ = chart(0, 1, 10**6).bars
    assert nothing.height == 0
    assert one.height > 1


def test_the_table_has_every_number() -> None:
    cells = re.findall(r'<td class="number">([\d,]+)</td>', html(chart(0, 1234, 5)))
    assert cells == ["0", "1,234", "5"]


def test_a_bar_of_a_shorter_time_is_marked() -> None:
    drawn = bar_chart("items", "Items", [Point("a", "", 1, is_whole=False), Point("b", "", 1)])
    assert [bar.get("class") for bar in svg(drawn).iter(f"{SVG}rect")] == ["part", None]
    assert "Hollow bars" in html(drawn)
    assert "Hollow bars" not in html(chart(1, 1))


def test_an_empty_chart_says_nothing_yet() -> None:
    assert "Nothing yet" in html(chart(0, 0))
    assert "<svg" not in html(chart(0, 0))


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (9500, "9,500"), (20_000, "20k"), (1_500_000, "1.5M"), (2 * 10**9, "2G")],
)
def test_the_axis_is_short(number: int, text: str) -> None:
    assert short(number) == text
