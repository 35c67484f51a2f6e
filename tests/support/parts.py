"""The parts of a running service, for the tests that break them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from tests.conftest import migrate
from tests.support.live import ROOT, Server, wait_for
from tests.support.postgres import Postgres
from tests.support.valkey import Valkey
from tracker.intake.stream.entries import GROUP, stream_names
from tracker.intake.stream.url import Options


def workers(server: Server) -> list[int]:
    return _children(server, "serve")


def drains(server: Server) -> list[int]:
    return _children(server, "drain")


def _children(server: Server, command: str) -> list[int]:
    """Return the process ids of the server's children that run a command of manage.py."""
    found = []
    for pid in server.children():
        with suppress(FileNotFoundError):  # It has ended meanwhile.
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if command.encode() in arguments:
                found.append(pid)
    return found


def kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def drain_process(
    url: str, intake_url: str, *args: str, root: Path = ROOT
) -> Iterator[subprocess.Popen[str]]:
    """Run `manage.py drain`. It is killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "drain", *args],
        cwd=root,
        env={**os.environ, "DATABASE_URL": url, "INTAKE_URL": intake_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # A line for each batch: a pipe that nobody reads would fill up.
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@cache
def durable_postgres() -> Postgres:
    """Give one server for all tests that break it."""
    postgres = Postgres(durable=True)
    # No superuser: limits on connections are not for those.
    postgres.execute("CREATE ROLE shop LOGIN")
    postgres.execute("CREATE DATABASE migrated OWNER shop")
    migrate(_as_shop(postgres, "migrated"))
    return postgres


def new_shop(name: str, *, tablespace: str = "pg_default") -> str:
    """Return the URL of a new, migrated database on that server."""
    postgres = durable_postgres()
    options = f"OWNER shop TEMPLATE migrated TABLESPACE {tablespace}"
    postgres.execute(f"CREATE DATABASE {name} {options}")
    return _as_shop(postgres, name)


def _as_shop(postgres: Postgres, name: str) -> str:
    return postgres.url(name).replace("postgres@", "shop@")


def kill_postgres(postgres: Postgres) -> None:
    """Kill every process of the server. The first is stopped before, so that none is missed."""
    postmaster = int((postgres.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    killed = [*map(int, children), postmaster]
    kill(killed)
    wait_for(lambda: not any(map(_runs, killed)))
    for name in ("postmaster.pid", f".s.PGSQL.{postgres.port}.lock"):
        (postgres.data / name).unlink()  # They name a process that nobody may have waited for yet.


def _runs(pid: int) -> bool:
    """Return whether a process still runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pending_of(drain: int, valkey: Valkey) -> int:
    """Count the entries that a drain has read and not acknowledged."""
    total = 0
    with valkey.client() as client:
        for stream in stream_names(Options().streams):
            for consumer in client.xinfo_consumers(stream, GROUP):
                if consumer["name"].split(b"-")[-2] == str(drain).encode():
                    total += consumer["pending"]
    return total


def count(url: str, table: str) -> int:
    rows = durable_postgres().execute(f"SELECT count(*) FROM {table}", url.rpartition("/")[2])
    return int(str(rows[0][0]))


def peak_memory_mb(process: subprocess.Popen[str], *, within_s: float = 240) -> float:
    """Return the peak memory of a process that has ended."""
    peak_kb = [0]

    def has_ended() -> bool:
        with suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak_kb.extend(map(int, re.findall(r"VmHWM:\s+(\d+)", status)))
        return process.poll() is not None

    wait_for(has_ended, within_s=within_s)
    return max(peak_kb) / 1024
