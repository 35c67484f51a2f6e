"""Measure what an item costs by how many are stored already; `stored` in __main__.py."""

import shutil
import sys
import tempfile
from contextlib import ExitStack
from itertools import count

from bench.circumstances import POSTGRES_SETTINGS
from bench.drain_rates.case import (
    BATCH_RECORDS,
    Case,
    filled_journal,
    new_database,
    new_server,
    say,
    show,
)
from bench.drain_rates.items import fill_postgres, half_updates
from bench.drain_rates.turn import Turn, drain_all
from tests.conftest import migrate
from tests.support.postgres import Postgres

STORED = (100_000, 1_000_000, 10_000_000)
STORED_ROUNDS = 3
CHECKPOINT_RECORDS = 50_000
UNDER_WAY_RECORDS = 200_000
# Each of UNDER_WAY_RECORDS. After them, most pages have been changed since the checkpoint.
WARM_UP_TURNS = 5
STORED_FIGURES = ("wall_us", "drain_us", "server_us", "cpu_us", "checkpoint_us")
SERVER_BYTES = 3_000_000_000  # A server's programs, and the write-ahead log that it keeps.
ITEM_BYTES = 700  # With its share of the indexes, of its cart, and of the log of filling the table.


def measure_stored(*, quick: bool) -> dict[str, list[Case]]:
    """Drain half updates, half new items into tables of several sizes, each on its own server.

    First, each turn comes right after a checkpoint: every page that it touches goes into the
    write-ahead log as a whole, once. Then turns follow each other without a checkpoint, when most
    pages have been changed since the last one ("under way"): so does a busy server with rare
    checkpoints most of the time.
    """
    sizes = STORED[:-1] if quick else STORED
    _require_capacity(sum(SERVER_BYTES + ITEM_BYTES * size for size in sizes))
    after, under_way = ([Case("PostgreSQL", size) for size in sizes] for _ in range(2))
    with ExitStack() as stack:
        servers = {}
        for size in sizes:
            servers[size] = stack.enter_context(new_server(POSTGRES_SETTINGS))
            url = new_database(servers[size], "bench")
            migrate(url)
            fill_postgres(url, size)
        turns = Turns(servers)
        for number in range(STORED_ROUNDS):
            say(f"stored: round {number + 1} of {STORED_ROUNDS}, after a checkpoint")
            for case in after:
                servers[case.size].execute("CHECKPOINT")
                case.turns.append(turns.take(case.size, CHECKPOINT_RECORDS))
        for number in range(WARM_UP_TURNS + STORED_ROUNDS):
            say(f"stored: turn {number + 1} of {WARM_UP_TURNS + STORED_ROUNDS}, under way")
            for case in under_way:
                turn = turns.take(case.size, UNDER_WAY_RECORDS, checkpoint=False)
                if number >= WARM_UP_TURNS:
                    case.turns.append(turn)
    _show_stored("under way", UNDER_WAY_RECORDS, under_way)
    _show_stored("right after a checkpoint", CHECKPOINT_RECORDS, after)
    return {"under way": under_way, "after a checkpoint": after}


class Turns:
    """Takes turns on servers that already hold items; no two turns drain the same adds."""

    def __init__(self, servers: dict[int, Postgres]) -> None:
        self._servers = servers
        self._numbers = count(1)

    def take(self, stored: int, records: int, *, checkpoint: bool = True) -> Turn:
        postgres = self._servers[stored]
        # Not more updates than stored items: turns on a small table would update them repeatedly.
        adds = half_updates(records, stored=stored, turn=next(self._numbers))
        with filled_journal(adds) as journal:
            return drain_all(
                postgres.url("bench"),
                journal,
                records,
                batch_records=BATCH_RECORDS,
                postgres=postgres,
                checkpoint=checkpoint,
            )


def _show_stored(when: str, records: int, cases: list[Case]) -> None:
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
    title = f"{records:,} records into tables that hold items already, {when}"
    show(f"{title}; time, then CPU, in µs an item", columns, rows)


def _require_capacity(needed: int) -> None:
    directory = tempfile.gettempdir()
    free = shutil.disk_usage(directory).free
    say(f"needs about {needed / 1e9:.1f} GB in {directory}; free are {free / 1e9:.1f} GB")
    if free < needed * 1.2:
        sys.exit(f"bench: not enough space in {directory}: set TMPDIR, or use --quick")
