"""What all measurements of the drain use: cases, servers, journals, and printed tables."""

import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.drain_rates.items import fill_journal
from bench.drain_rates.turn import Turn
from tests.support.postgres import Postgres
from tracker.adds import Add

BATCH_RECORDS = 1000  # As tracker/intake/drain.py has it.


@dataclass
class Case:
    """A row of a printed table: a database, a size, how many drains, and the turns measured."""

    database: str
    size: int
    drains: int = 1
    turns: list[Turn] = field(default_factory=list)

    def all(self, figure: str) -> list[float]:
        """Return a figure of all turns, sorted; `figure` is the name of an attribute of Turn."""
        return sorted(getattr(turn, figure) for turn in self.turns)

    def median(self, figure: str) -> float:
        return median(self.all(figure))

    def over(self, other: "Case", figure: str) -> str:
        return f"{self.median(figure) / other.median(figure):.2f}"


@contextmanager
def new_server(settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    server = Postgres(durable=True, settings=settings)
    try:
        yield server
    finally:
        server.remove()


def new_database(postgres: Postgres, name: str, options: str = "") -> str:
    postgres.execute(f"CREATE DATABASE {name} {options}")
    return postgres.url(name)


@contextmanager
def filled_journal(adds: Iterable[Add], *, segment_mb: int = 8) -> Iterator[str]:
    """Yield the URL of a journal that holds these adds. It is deleted at the end of the block."""
    with tempfile.TemporaryDirectory() as directory:
        yield fill_journal(Path(directory), adds, segment_mb=segment_mb)


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    print(f"\n{title}")
    for first, *others in (columns, *rows):
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]), flush=True)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
