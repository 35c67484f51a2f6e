"""Run one turn: drains in processes of their own, measured in time and in CPU on both sides.

    .venv/bin/python -m bench.drain_rates.turn BATCH_RECORDS    with DATABASE_URL and INTAKE_URL set

is such a process. Its parent starts it; Python's start and the first connection are not measured.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import cpu_s
from tests.support.postgres import Postgres
from tracker.intake.selection import intake_from_url

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD_BYTES = 200  # A record in the journal is about as long, and not shorter.


@dataclass(frozen=True)
class Turn:
    """What draining `records` took: seconds, CPU seconds, and bytes of write-ahead log.

    `server_s` is the CPU of all of PostgreSQL's processes; that of SQLite is part of `drain_s`.
    `checkpoint_s` is the CPU of a checkpoint right after the drain: work that was put off.
    """

    records: int
    wall_s: float
    drain_s: float
    server_s: float = 0
    wal_bytes: int = 0
    checkpoint_s: float = 0

    @property
    def items_s(self) -> float:
        return self.records / self.wall_s

    @property
    def wall_us(self) -> float:
        return self._each_us(self.wall_s)

    @property
    def drain_us(self) -> float:
        return self._each_us(self.drain_s)

    @property
    def server_us(self) -> float:
        return self._each_us(self.server_s)

    @property
    def cpu_us(self) -> float:
        return self._each_us(self.drain_s + self.server_s)

    @property
    def checkpoint_us(self) -> float:
        return self._each_us(self.checkpoint_s)

    @property
    def record_wal_bytes(self) -> float:
        return self.wal_bytes / self.records

    def _each_us(self, seconds: float) -> float:
        return seconds / self.records * 1e6


@dataclass
class _Usage:
    """What a PostgreSQL server has used so far; nothing for SQLite."""

    cpu_s: float = 0
    wal_bytes: int = 0

    @classmethod
    def of(cls, postgres: Postgres | None) -> "_Usage":
        if postgres is None:
            return cls()
        ((wal_bytes,),) = postgres.execute("SELECT pg_current_wal_lsn() - '0/0'")
        postmaster = int((postgres.data / "postmaster.pid").read_text().split()[0])
        return cls(cpu_s([postmaster]), int(str(wal_bytes)))


def drain_all(
    url: str,
    intake_url: str,
    records: int,
    *,
    batch_records: int,
    postgres: Postgres | None = None,
    drains: int = 1,
    checkpoint: bool = True,
) -> Turn:
    """Drain an intake that holds `records` into the database at `url`, which is on `postgres`.

    Without `checkpoint`, none follows, and `checkpoint_s` means nothing. Ends the program if not
    all records were merged.
    """
    with ExitStack() as stack:
        processes = [
            stack.enter_context(_drain(url, intake_url, batch_records)) for _ in range(drains)
        ]
        before = _Usage.of(postgres)
        for each in processes:
            each.tell("go")
        answers = [json.loads(each.answer()) for each in processes]
    after = _Usage.of(postgres)
    if postgres and checkpoint:
        postgres.execute("CHECKPOINT")
    if [sum(each[name] for each in answers) for name in ("records", "dead_letters")] != [
        records,
        0,
    ]:
        sys.exit(f"bench: not all of {records} records were merged")
    return Turn(
        records,
        wall_s=max(each["wall_s"] for each in answers),
        drain_s=sum(each["drain_s"] for each in answers),
        server_s=after.cpu_s - before.cpu_s,
        wal_bytes=after.wal_bytes - before.wal_bytes,
        checkpoint_s=_Usage.of(postgres).cpu_s - after.cpu_s,
    )


class _Drain:
    """A process that drains when it reads a line, and then answers; `log` has its stderr."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process, self._log = process, log

    def tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout
        answer = self._process.stdout.readline()
        if not answer:
            said = self._log.read_text(errors="replace")
            sys.exit(f"bench: a drain has ended: {said[-500:]}")
        return answer


@contextmanager
def _drain(url: str, intake_url: str, batch_records: int) -> Iterator[_Drain]:
    """Start a drain, and yield it when it is connected. Kill it at the end of the block."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "log")
        with log.open("wb") as said, _process(url, intake_url, batch_records, said) as process:
            try:
                drain = _Drain(process, log)
                drain.answer()
                yield drain
            finally:
                process.kill()


def _process(url: str, intake_url: str, batch_records: int, said: Any) -> "subprocess.Popen[str]":
    directory = str(Path(said.name).parent)
    env = {
        "DATABASE_URL": url,
        "INTAKE_URL": intake_url,
        "VAR_DIR": directory,
        "PROMETHEUS_MULTIPROC_DIR": directory,  # As under `serve`.
    }
    return subprocess.Popen(
        [sys.executable, "-m", "bench.drain_rates.turn", str(batch_records)],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
    )


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

    import django

    django.setup()

    from django.conf import settings
    from django.db import connection

    from tracker.intake import drain
    from tracker.intake.journal import reader as journal_reader
    from tracker.models import DeadLetter

    batch_records = int(sys.argv[1])
    if batch_records < drain.BATCH_RECORDS:
        # In production a batch is small only if few records wait, and then a read is short, too.
        journal_reader.READ_BYTES = batch_records * RECORD_BYTES
    drain.BATCH_RECORDS = batch_records
    source = intake_from_url(settings.SERVED_INTAKE_URL).source()
    assert source
    dead_letters = DeadLetter.objects.count()  # This also connects.
    print("ready", flush=True)
    sys.stdin.readline()
    used_s, began = time.process_time(), time.perf_counter()
    records = drain.Drain(source, threading.Event()).run_until_empty()
    wall_s, drain_s = time.perf_counter() - began, time.process_time() - used_s
    dead_letters = DeadLetter.objects.count() - dead_letters
    connection.close()
    found = {"records": records, "dead_letters": dead_letters}
    print(json.dumps({**found, "wall_s": wall_s, "drain_s": drain_s}), flush=True)


if __name__ == "__main__":
    main()
