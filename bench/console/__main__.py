"""Measure the console's pages with few rows and with many, and a stock admin beside them.

    .venv/bin/python -m bench.console [--items 10000 10000000] [--rounds 5] [--json FILE]

It starts a PostgreSQL of its own, with a database for each size, filled by `manage.py seed_demo`.
Each round requests all pages on all sizes, in one process and without a server, by an account that
may do everything. The table shows medians. The first round does not count: PostgreSQL and Django
read in it what they keep in memory afterwards.

With the most rows, a page may spend at most 3 times as long in SQL as with the fewest, and must
stay under 50 ms. The table marks pages that miss this, and the exit code is 1.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import django
from django.conf import settings
from django.urls import NoReverseMatch

from bench.circumstances import POSTGRES_SETTINGS, machine
from tests.support.postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent.parent
MAX_RATIO, MAX_SQL_MS = 3.0, 50.0
# A stock page that takes longer is requested only once.
STOCK_ONCE_MS = 1000.0
_MISSING = "skipped: there is no such page"
# With all indexes, and as much again for the write-ahead log of filling the tables.
ITEM_BYTES, SERVER_BYTES = 1400, 1_000_000_000
COLUMNS = ["ms", "SQL, few", "many", "ratio", "request, few", "many", "ratio", "statements"]
COLUMNS += ["stock: SQL", "request", ""]


@dataclass
class PageFigures:
    """The Figures of one page (bench/console/take.py): ours by size, and the stock admin's."""

    name: str
    ours: dict[int, list[Any]] = field(default_factory=dict)
    stock: list[Any] = field(default_factory=list)
    stock_fails: bool = False
    problem: str = ""

    def forget_first_round(self) -> None:
        """Drop the first round's figures. A slow stock page keeps them: it has no others."""
        self.ours = {}
        if not self.stock_is_slow:
            self.stock = []

    @property
    def stock_is_slow(self) -> bool:
        return bool(self.stock) and self.stock[-1].request_ms > STOCK_ONCE_MS

    def median(self, size: int, figure: str) -> float:
        taken: list[float] = [getattr(each, figure) for each in self.ours[size]]
        return median(taken)

    def ratio(self, figure: str) -> float:
        return self.median(max(self.ours), figure) / self.median(min(self.ours), figure)

    def stock_text(self, figure: str) -> str:
        if self.stock_fails:
            return "fails"
        return f"{median(getattr(each, figure) for each in self.stock):.1f}" if self.stock else ""

    def raw(self) -> dict[str, Any]:
        """Return all figures, for a JSON file."""
        return {
            "name": self.name,
            "ours": {size: [each._asdict() for each in taken] for size, taken in self.ours.items()},
            "stock": [each._asdict() for each in self.stock],
            "stock_fails": self.stock_fails,
            "verdict": self.verdict,
        }

    @property
    def verdict(self) -> str:
        """Why the page fails, or "" if it is as fast as it must be."""
        if self.problem:
            return self.problem
        slow = self.median(max(self.ours), "sql_ms") >= MAX_SQL_MS
        grows = self.ratio("sql_ms") > MAX_RATIO
        missed = [f"{MAX_SQL_MS:.0f} ms"] * slow + [f"{MAX_RATIO:.0f} times"] * grows
        return f"MISSES {' and '.join(missed)}" if missed else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write all figures to this file, too")
    given = parser.parse_args()
    sizes = sorted(set(given.items))
    _require_capacity(sum(sizes))
    with ExitStack() as stack:
        databases = _databases(sizes, stack)
        rows = _measure(databases, given.rounds)
    _show(rows, sizes)
    if given.json:
        found = {"circumstances": machine(), "items": sizes, "pages": [row.raw() for row in rows]}
        given.json.write_text(json.dumps(found, indent=1))
    sys.exit(any(row.verdict for row in rows))


def _databases(sizes: list[int], stack: ExitStack) -> dict[int, Any]:
    """Return a filled database for each size. Sets Django up, so import no models before."""
    postgres = Postgres(durable=True, settings=POSTGRES_SETTINGS)
    stack.callback(postgres.remove)
    var_dir = stack.enter_context(tempfile.TemporaryDirectory())
    for name in ("DEBUG", "ROLE", "ALLOWED_HOSTS", "INTAKE_URL", "TRUSTED_PROXIES"):
        os.environ.pop(name, None)
    os.environ |= {"VAR_DIR": var_dir, "DJANGO_SETTINGS_MODULE": "core.settings"}
    for size in sizes:
        postgres.execute(f"CREATE DATABASE items_{size}")
        os.environ["DATABASE_URL"] = postgres.url(f"items_{size}")
        _manage("migrate", "--verbosity=0")
        _manage("seed_demo", f"--items={size}", "--seed=1")
        postgres.execute("VACUUM (ANALYZE)", f"items_{size}")
    postgres.execute("CHECKPOINT")
    logging.disable()  # The table says which page fails.
    settings.ROOT_URLCONF = "bench.console.stock"
    django.setup()
    from bench.console.take import Database

    databases = {size: Database(f"items_{size}") for size in sizes}
    for database in databases.values():
        stack.callback(database.close)
    return databases


def _manage(*command: str) -> None:
    subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, check=True)


def _measure(databases: dict[int, Any], rounds: int) -> list[PageFigures]:
    """Measure all pages in turn, round after round. Leave out pages that do not exist here."""
    from bench.console.pages import cases

    taken = [(case, PageFigures(case.name)) for case in cases()]
    for number in range(rounds + 1):
        _say(f"round {number} of {rounds}")
        for case, row in taken:
            if not row.problem:
                _take_ours(case, row, databases)
                _take_stock(case, row, databases[max(databases)])
        if number == 0:
            for _, row in taken:
                row.forget_first_round()
    return [row for _, row in taken if row.problem != _MISSING]


def _take_ours(case: Any, row: PageFigures, databases: dict[int, Any]) -> None:
    from bench.console.take import NotTakenError

    try:
        for size, database in databases.items():
            figure = database.take(case.address, is_post=case.is_post)
            row.ours.setdefault(size, []).append(figure)
    except NoReverseMatch:
        row.problem = _MISSING
        _say(f"{case.name}: {_MISSING}")
    except NotTakenError as error:
        row.problem = f"FAILS: {error}"


def _take_stock(case: Any, row: PageFigures, database: Any) -> None:
    """Measure the stock page; only once, if it is slow or fails."""
    from bench.console.stock import stock_templates
    from bench.console.take import NotTakenError

    if not case.stock or row.stock_fails or row.stock_is_slow:
        return
    try:
        with stock_templates():
            row.stock.append(database.take(case.stock))
    except NotTakenError:
        row.stock_fails = True


def _show(rows: list[PageFigures], sizes: list[int]) -> None:
    print(f"\n{sizes[0]:,} items and {sizes[-1]:,}; medians, in milliseconds\n")
    lines = [COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    for first, *others in lines:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells[:-1], others[-1]]).rstrip())


def _cells(row: PageFigures) -> list[str]:
    if row.problem:
        return [row.name, *[""] * (len(COLUMNS) - 2), row.problem]
    few, many = min(row.ours), max(row.ours)
    cells = [row.name]
    for figure in ("sql_ms", "request_ms"):
        cells += [f"{row.median(size, figure):.1f}" for size in (few, many)]
        cells.append(f"{row.ratio(figure):.1f}")
    cells.append(f"{row.median(many, 'statements'):.0f}")
    cells += [row.stock_text(figure) for figure in ("sql_ms", "request_ms")]
    return [*cells, row.verdict]


def _require_capacity(items: int) -> None:
    directory = tempfile.gettempdir()
    free, needed = shutil.disk_usage(directory).free, SERVER_BYTES + ITEM_BYTES * items
    if free < needed:
        sys.exit(f"bench: {needed / 1e9:.0f} GB are needed in {directory}: set TMPDIR.")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
