"""The requests a second as a bar chart in SVG, legible on a light and on a dark page."""

from html import escape

from bench.wire.results import Report, Result

_WIDTH, _LABELS, _FIGURES = 860, 330, 80
_ROW, _BAR, _TOP = 28, 18, 44
_STYLE = """
    text { font: 14px system-ui, sans-serif; fill: #24292f }
    .title { font-weight: 600 }
    .ours { fill: #1a7f5a } .peer { fill: #6e7f91 } .reference { fill: #b8c0c8 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .ours { fill: #3fb68b } .peer { fill: #8796a8 } .reference { fill: #56616d }
    }
"""


def svg(report: Report) -> str:
    """Return the chart, the fastest subject at the top.

    It leaves out the constant reply, beside which all others would look small.
    """
    shown = [each for each in report.measured if each.subject.name != "constant"]
    shown.sort(key=lambda each: each.requests_s, reverse=True)
    height = _TOP + _ROW * len(shown) + 8
    title = "POST /items: requests a second on one core, 16 connections"
    most = max(each.requests_s for each in shown)
    bars = "\n".join(_bar(each, number, most) for number, each in enumerate(shown))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"
  aria-label="{title}">
  <title>{title}</title>
  <style>{_STYLE}  </style>
  <text class="title" x="0" y="20">{title}</text>
{bars}
</svg>
"""


def _bar(result: Result, number: int, most: float) -> str:
    y = _TOP + number * _ROW
    length = (_WIDTH - _LABELS - _FIGURES) * result.requests_s / most
    base = y + _BAR - 4
    return (
        f'  <text x="{_LABELS - 10}" y="{base}" text-anchor="end">{escape(result.subject.title)}'
        f"</text>\n"
        f'  <rect class="{result.subject.kind}" x="{_LABELS}" y="{y}" width="{length:.1f}"'
        f' height="{_BAR}" rx="2"/>\n'
        f'  <text x="{_LABELS + length + 8:.1f}" y="{base}">{result.requests_s:,.0f}</text>'
    )
