"""The tables of a report. Ratios come first: they hold on other machines, too."""

from collections.abc import Callable
from typing import NamedTuple

from bench.circumstances import versions
from bench.wire.results import Report, Result

_PERCENTILES = {"p50": "50 %", "p90": "90 %", "p99": "99 %", "p999": "99.9 %", "max": "max"}


class Table(NamedTuple):
    """The first column is text; the others are figures, unless `is_text`."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    is_text: bool = False


def tables(report: Report) -> list[Table]:
    made = [
        _ratios(report, "Requests a second, ours over theirs", _more_requests),
        _ratios(report, "CPU for one item until it is in its row, theirs over ours", _less_cpu),
        _ratios(report, "99th percentile at the same fixed rate, ours over theirs", _p99_over),
        _full_speed(report),
        _cost(report),
        _fixed_rate(report),
        _stored(report),
        _set_up(report),
    ]
    return [table for table in made if table.rows]


def _more_requests(our: Result, their: Result) -> str:
    return f"{our.requests_s / their.requests_s:.2f}"


def _less_cpu(our: Result, their: Result) -> str:
    """Return the ratio for peers that store items: the others leave most of the work undone."""
    return f"{their.together_us / our.together_us:.2f}" if their.subject.items else ""


def _p99_over(our: Result, their: Result) -> str:
    theirs = their.fixed_ms("p99")
    return f"{our.fixed_ms('p99') / theirs:.2f}" if theirs else ""


def _ratios(report: Report, title: str, ratio: Callable[[Result, Result], str]) -> Table:
    ours = report.of_kind("ours")
    others = report.of_kind("peer") + report.of_kind("reference")
    rows = [[each.subject.title, *(ratio(our, each) for our in ours)] for each in others]
    rows = [row for row in rows if any(row[1:])]
    return Table(title, ["", *(our.subject.name for our in ours)], rows)


def _full_speed(report: Report) -> Table:
    rows = []
    for each in report.measured:
        speeds = sorted(one.requests_s for one in each.rounds)
        rows.append(
            [
                each.subject.title,
                f"{each.requests_s:,.0f}",
                f"{speeds[0]:,.0f} to {speeds[-1]:,.0f}",
                *(f"{each.latency_ms(percentile):.2f}" for percentile in _PERCENTILES),
                str(sum(one.not_ok for one in each.rounds)),
                f"{max(one.others for one in each.rounds):.0%}",
            ]
        )
    columns = ["", "requests/s", "of all rounds", *_PERCENTILES.values(), "not 200", "others"]
    return Table("As fast as it can, 16 connections; latency in ms", columns, rows)


def _cost(report: Report) -> Table:
    rows = []
    for each in report.measured:
        behind = [each.behind_us, each.together_us] if each.subject.items else []
        figures = [f"{value:.0f}" for value in (each.server_us, *behind)]
        late = f"{max(one.drained_after_s for one in each.rounds):.1f}" if behind else ""
        rows.append([each.subject.title, *figures, *([""] * (3 - len(figures))), late])
    columns = ["", "server", "drain or worker, databases", "together", "all in rows after"]
    return Table("CPU in µs for one request; s after the load until all is stored", columns, rows)


def _fixed_rate(report: Report) -> Table:
    rows = []
    for each in report.measured:
        if each.fixed:
            figures = [f"{each.fixed_ms(percentile):.2f}" for percentile in _PERCENTILES]
            sent = sum(one.sent for one in each.fixed)
            others = f"{max(one.others for one in each.fixed):.0%}"
            rows.append([each.subject.title, *figures, f"{sent:,}", others])
    title = f"Latency in ms at {report.rate:.0f} requests a second, from when each was due"
    return Table(title, ["", *_PERCENTILES.values(), "requests", "others"], rows)


def _stored(report: Report) -> Table:
    rows = [
        [each.subject.title, f"{each.proof.requests:,} sent", str(each.proof)]
        for each in report.measured
        if each.proof
    ]
    return Table("What was accepted is stored", ["", "requests", "rows"], rows, is_text=True)


def _set_up(report: Report) -> Table:
    rows = [[each.subject.title, versions(each.subject)] for each in report.measured]
    return Table("Versions", ["", "packages"], rows, is_text=True)
