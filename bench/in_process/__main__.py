"""Measure the CPU of one POST /items through the WSGI callable, over that of an empty Django view.

    .venv/bin/python -m bench.in_process [--rounds 15] [--calls 2000] [--json FILE] [--check]

Every subject is a process of its own. All take turns of a few thousand calls each, so that other
work of the machine slows all of them alike. A turn's figure is its CPU time (user and system, all
threads) divided by its calls, less that of a callable that does nothing. The table shows the
median of the turns and the middle half of them. The work of an HTTP server, of PostgreSQL and of
Valkey is not included.

`--check` compares the ratios with baseline.json, for people who have changed the hot path. It is
not a test, because its figures depend on the machine. `--save` writes that file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from tests.conftest import migrate
from tests.support.postgres import Postgres
from tests.support.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent.parent
JOURNAL = "journal://{directory}/journal?min_free_mb=1"
BASELINE = ROOT / "bench/in_process/baseline.json"
TOLERANCE = 0.25  # Between runs on a shared machine, ratios differ by up to a fifth.
FLOOR, EMPTY = "nothing", "empty Django view, no middleware"


class Subject(NamedTuple):
    """What to call (the name of a function in bench/in_process/calls.py), and the environment."""

    call: str
    env: dict[str, str]


SUBJECTS = {
    FLOOR: Subject("nothing", {}),
    EMPTY: Subject("application", {"DJANGO_SETTINGS_MODULE": "bench.in_process.empty.settings"}),
    "POST /items, journal": Subject("application", {"INTAKE_URL": JOURNAL}),
    "POST /items, journal, storefront": Subject(
        "application", {"INTAKE_URL": JOURNAL, "ROLE": "storefront"}
    ),
    "POST /items, journal, sync=always": Subject(
        "application", {"INTAKE_URL": f"{JOURNAL}&sync=always"}
    ),
    "POST /items, Valkey": Subject("application", {"INTAKE_URL": "{valkey}"}),
    "POST /items, database": Subject("application", {"INTAKE_URL": "database://"}),
    "stage: cart id from a cookie": Subject("cart_id", {}),
    "stage: body decoded and checked": Subject("body", {}),
    "stage: cookie of the reply": Subject("cookie", {}),
    "stage: journal append": Subject("accept", {"INTAKE_URL": JOURNAL}),
    "stage: metrics": Subject("metrics", {}),
}


class Figure(NamedTuple):
    """Microseconds of CPU a call: the median of the turns, and the ends of the middle half."""

    median: float
    low: float
    high: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=2000, help="a turn; default: 2000")
    parser.add_argument(
        "--only", nargs="+", metavar="WORD", help="subjects with one of these words"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--check", action="store_true", help="fail if a ratio has grown too much")
    parser.add_argument("--save", action="store_true", help="make this run the baseline")
    options = parser.parse_args()
    chosen = {
        name: subject
        for name, subject in SUBJECTS.items()
        if name in (FLOOR, EMPTY) or not options.only or any(word in name for word in options.only)
    }
    figures = measure(chosen, rounds=options.rounds, calls=options.calls)
    show(figures)
    if options.json:
        figured = {name: figure._asdict() for name, figure in figures.items()}
        options.json.write_text(json.dumps(figured, indent=2))
    ratios = {name: round(each.median / figures[EMPTY].median, 2) for name, each in figures.items()}
    if options.save:
        BASELINE.write_text(json.dumps(ratios, indent=2) + "\n")
    if options.check and (worse := slower_than(json.loads(BASELINE.read_text()), ratios)):
        sys.exit("\n".join(worse))


def slower_than(baseline: dict[str, float], ratios: dict[str, float]) -> list[str]:
    """Return a line for each ratio that is above the baseline's by more than TOLERANCE."""
    return [
        f"{name}: {ratios[name]:.2f} times the empty view, the baseline is {before:.2f}"
        for name, before in baseline.items()
        if name in ratios and ratios[name] > before * (1 + TOLERANCE) + 0.01
    ]


def measure(subjects: dict[str, Subject], *, rounds: int, calls: int) -> dict[str, Figure]:
    """Return the figures of these subjects, less the floor's."""
    turns: dict[str, list[float]] = {name: [] for name in subjects}
    with ExitStack() as stack:
        places = stack.enter_context(_places(subjects))
        children = {
            name: stack.enter_context(_child(subject, places, number))
            for number, (name, subject) in enumerate(subjects.items())
        }
        for number in range(rounds + 1):
            print(f"round {number} of {rounds}", file=sys.stderr)
            for name, child in children.items():
                took_us = _turn(child, calls)
                if number:  # The first one warms up.
                    turns[name].append(took_us)
    floor = median(turns.pop(FLOOR))
    return {name: _figure([turn - floor for turn in found]) for name, found in turns.items()}


def _turn(child: "subprocess.Popen[str]", calls: int) -> float:
    assert child.stdin
    assert child.stdout
    child.stdin.write(f"{calls}\n")
    child.stdin.flush()
    answer = child.stdout.readline()
    if not answer:
        sys.exit("bench: a subject has ended; see its output above")
    return float(answer) / calls / 1000


def _figure(turns: list[float]) -> Figure:
    low, _, high = quantiles(turns, n=4) if len(turns) > 1 else (turns[0],) * 3
    return Figure(median(turns), low, high)


@contextmanager
def _places(subjects: dict[str, Subject]) -> Iterator[dict[str, str]]:
    """Start the servers that are needed. Yield the values for the names in braces."""
    with tempfile.TemporaryDirectory() as directory:
        places, servers = {"directory": directory}, list[Any]()
        if any("{valkey}" in str(subject.env) for subject in subjects.values()):
            servers.append(Valkey("appendonly yes"))
            places["valkey"] = servers[-1].url()
        if any("database://" in str(subject.env) for subject in subjects.values()):
            postgres = Postgres(durable=True)
            servers.append(postgres)
            postgres.execute("CREATE DATABASE bench")
            places["postgres"] = postgres.url("bench")
            migrate(places["postgres"])
        yield places
        for server in servers:
            server.remove()


@contextmanager
def _child(
    subject: Subject, places: dict[str, str], number: int
) -> "Iterator[subprocess.Popen[str]]":
    own = Path(places["directory"], str(number))
    own.mkdir()
    given = {**places, "directory": str(own)}
    env = {
        "DJANGO_SETTINGS_MODULE": "core.settings",
        "VAR_DIR": str(own),
        "DATABASE_URL": places.get("postgres", ""),
        "PROMETHEUS_MULTIPROC_DIR": str(own),  # As under `serve`.
        "STOREFRONT_ORIGINS": "https://shop.example",
        **{name: value.format_map(given) for name, value in subject.env.items()},
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.in_process.calls", subject.call],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


def show(figures: dict[str, Figure]) -> None:
    empty = figures[EMPTY].median
    print(f"{'':36} {'ratio':>6} {'CPU µs':>8}   middle half")
    for name, figure in figures.items():
        ratio, middle = figure.median / empty, f"{figure.low:.1f} to {figure.high:.1f}"
        print(f"{name:36} {ratio:6.2f} {figure.median:8.1f}   {middle}")


if __name__ == "__main__":
    main()
