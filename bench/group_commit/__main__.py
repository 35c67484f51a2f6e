"""Measure how many adds share one fdatasync with sync=always, and what that gains.

    .venv/bin/python -m bench.group_commit [--seconds 2] [--directory DIR]

Threads append to one journal as fast as they can. Each waits for the disk before its next add, as
the threads of a worker do. For comparison, the same with one fdatasync for each add.
"""

import argparse
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from unittest import mock
from urllib.parse import urlsplit
from uuid import uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

import django

django.setup()

from tracker.adds import Add  # noqa: E402
from tracker.intake.journal.intake import JournalIntake  # noqa: E402

THREADS = (1, 2, 4, 8, 16, 32, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2, help="for each line; default: 2")
    parser.add_argument("--directory", type=Path, help="on the disk to measure; default: TMPDIR")
    options = parser.parse_args()
    print("threads   adds/s   adds per fdatasync   adds/s with one fdatasync each   gain")
    for threads in THREADS:
        together, group = _measure(options, threads, _together)
        alone, _ = _measure(options, threads, _each_alone)
        print(f"{threads:7} {together:8,.0f} {group:20.1f} {alone:32,.0f} {together / alone:6.1f}")


def _together(journal: JournalIntake, add: Add) -> None:
    journal.accept(add)


_one_at_a_time = threading.Lock()


def _each_alone(journal: JournalIntake, add: Add) -> None:
    with _one_at_a_time:
        journal.accept(add)


def _measure(
    options: argparse.Namespace, threads: int, accept: Callable[[JournalIntake, Add], None]
) -> tuple[float, float]:
    """Return the adds a second, and how many of them shared one fdatasync on average."""
    syncs, real = [0], os.fdatasync
    add = Add(uuid4(), "sku-1", "Blue socks", 1299)
    accepted = [0] * threads

    def count(file: int) -> None:
        syncs[0] += 1  # Under the journal's own lock.
        real(file)

    def shop(number: int) -> None:
        while perf_counter() < end:
            accept(journal, add)
            accepted[number] += 1

    with (
        tempfile.TemporaryDirectory(dir=options.directory) as directory,
        mock.patch.object(os, "fdatasync", count),
    ):
        journal = JournalIntake(urlsplit(f"journal://{directory}?sync=always"))
        running = [threading.Thread(target=shop, args=[number]) for number in range(threads)]
        begin = perf_counter()
        end = begin + options.seconds
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        took_s = perf_counter() - begin
        journal.close()
    return sum(accepted) / took_s, sum(accepted) / max(1, syncs[0])


if __name__ == "__main__":
    main()
