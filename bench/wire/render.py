"""Render a report as text for a terminal, and as Markdown."""

from bench.wire.results import Report
from bench.wire.tables import Table, tables


def text(report: Report) -> str:
    parts = [_aligned_circumstances(report), *map(_as_text, tables(report))]
    return "\n\n".join([*parts, *_failures(report)]) + "\n"


def markdown(report: Report) -> str:
    circumstances = "\n".join(f"- {name}: {how}" for name, how in report.circumstances.items())
    parts = [circumstances, *map(_as_markdown, tables(report)), *_failures(report)]
    return "\n\n".join(parts) + "\n"


def _failures(report: Report) -> list[str]:
    """Return a line for each failure. They come last, where people look first."""
    return [
        f"FAILED: {result.subject.title}: {failure}"
        for result in report.results
        for failure in result.failures
    ]


def _aligned_circumstances(report: Report) -> str:
    width = max(map(len, report.circumstances))
    return "\n".join(f"{name:<{width}}  {how}" for name, how in report.circumstances.items())


def _as_text(table: Table) -> str:
    lines = [table.columns, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    aligned = [
        "  ".join(
            cell.ljust(width) if table.is_text or not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([table.title, *aligned])


def _as_markdown(table: Table) -> str:
    rule = ["---", *(["---" if table.is_text else "---:"] * (len(table.columns) - 1))]
    lines = [f"| {' | '.join(line)} |" for line in (table.columns, rule, *table.rows)]
    return "\n".join([f"**{table.title}**", "", *lines])
