"""Load the machine for ten minutes at 80 % of its limit, to see how closely the drain follows.

    .venv/bin/python -m bench.soak [--minutes 10] [--share 0.8] [--json FILE]

All cores of the machine are shared by `manage.py serve` with two workers, the journal and its
drain, PostgreSQL with fsync and the settings of bench/circumstances.py, and the load (wrk). First
wrk sends as fast as it can, to find the limit; then at the given share of it. Meanwhile, ten times
a second, the bench adds an item of its own and waits for its row. At the end, every accepted add
must have been drained.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.request import urlopen

import psycopg2

from bench.circumstances import POSTGRES_SETTINGS
from tests.conftest import migrate
from tests.support.live import Server
from tests.support.postgres import Postgres

CONNECTIONS = 64
LIMIT_SECONDS = 15
PROBE_EVERY_S = 0.1
GIVE_UP_AFTER_S = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--share", type=float, default=0.8)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is not installed (Debian: apt-get install wrk).")
    postgres = Postgres(durable=True, settings=POSTGRES_SETTINGS)
    try:
        figures = soak(postgres, seconds=round(options.minutes * 60), share=options.share)
    finally:
        postgres.remove()
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


def soak(postgres: Postgres, *, seconds: int, share: float) -> dict[str, Any]:
    postgres.execute("CREATE DATABASE soak")
    database = postgres.url("soak")
    migrate(database)
    with tempfile.TemporaryDirectory() as directory:
        journal = f"journal://{directory}/journal"
        env = {"DATABASE_URL": database, "INTAKE_URL": journal, "VAR_DIR": directory}
        server = Server("--workers", "2", env=env)
        try:
            return _measure(server, database, seconds=seconds, share=share)
        finally:
            server.stop()


def _measure(server: Server, database: str, *, seconds: int, share: float) -> dict[str, Any]:
    limit = _load(server, LIMIT_SECONDS, first=0)
    _say(f"the machine takes {limit['requests_s']:,.0f} requests a second")
    _wait_until_drained(server)
    behind, late = Watch(lambda: backlog(server), every_s=1), Probes(server, database)
    with behind, late:
        load = _load(server, seconds, first=10_000_000, rate=share * limit["requests_s"])
    ended = time.monotonic()
    _wait_until_drained(server)
    return {
        "limit": limit,
        "load": load,
        "share": load["requests_s"] / limit["requests_s"],
        "backlog": behind.seen,
        "row_after_s": sorted(late.seen),
        "never_seen": late.never,
        "drained_after_s": time.monotonic() - ended,
        "left": backlog(server),
    }


def _load(server: Server, seconds: int, *, first: int, rate: float = 0) -> dict[str, float]:
    """Send `rate` requests a second, or without a rate as many as are answered."""
    script = "bench/soak/soak.lua" if rate else "bench/wire/traffic.lua"
    command = f"wrk --threads 1 --connections {CONNECTIONS} --duration {seconds}s --script {script}"
    url = f"http://127.0.0.1:{server.port}"
    done = subprocess.run(
        [*command.split(), url, "--", str(first), str(rate)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.partition("RESULT ")[2])
    return {
        "requests_s": found["answered"] / found["took_us"] * 1e6,
        "accepted": found["answered"] - found["not_ok"],
        "not_ok": found["not_ok"] + found["broken"],
        "p50_ms": found["p50_us"] / 1000,
        "p99_ms": found["p99_us"] / 1000,
        "p999_ms": found["p999_us"] / 1000,
    }


def backlog(server: Server) -> int:
    """Return how many accepted adds are not rows yet, from /metrics: up to 1 s old."""
    with urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as page:
        text = page.read().decode()
    accepted, drained = (
        float(re.findall(rf"^cart_tracker_{name}_total (\S+)", text, re.MULTILINE)[0])
        for name in ("accepted", "drained")
    )
    return max(0, int(accepted - drained))


def _wait_until_drained(server: Server) -> None:
    deadline = time.monotonic() + GIVE_UP_AFTER_S
    while backlog(server) > 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1.5)  # Until the workers have published the counts of their last adds.


class Watch:
    """Calls `measure` again and again, on a thread, until the end of the block."""

    def __init__(self, measure: Callable[[], Any], *, every_s: float) -> None:
        self.seen: list[Any] = []
        self._measure, self._every_s = measure, every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._every_s):
            self.seen.append(self._measure())
            if len(self.seen) % round(10 / self._every_s) == 0:
                _say(f"{len(self.seen) * self._every_s:.0f} s: {self.seen[-1]}")


class Probes(Watch):
    """Adds an item and waits for its row, ten times a second; `seen` are the seconds from the 200.

    `never` counts those that were not seen within GIVE_UP_AFTER_S.
    """

    def __init__(self, server: Server, database: str) -> None:
        super().__init__(self._probe, every_s=PROBE_EVERY_S)
        self._server = server
        self._connection = psycopg2.connect(database)
        self._connection.autocommit = True
        self.never = 0

    def _probe(self) -> float:
        product_id = f"probe-{len(self.seen)}"
        cart_id = self._server.add(product_id=product_id).json()["cart_id"]
        began = time.monotonic()
        with self._connection.cursor() as cursor:
            while time.monotonic() - began < GIVE_UP_AFTER_S:
                sql = "SELECT FROM tracker_item WHERE cart_id = %s AND product_id = %s"
                cursor.execute(sql, [cart_id, product_id])
                if cursor.rowcount:
                    return time.monotonic() - began
                time.sleep(0.005)
        self.never += 1
        return GIVE_UP_AFTER_S


def show(figures: dict[str, Any]) -> None:
    limit, load, late = figures["limit"], figures["load"], figures["row_after_s"]
    hundredths = quantiles(late, n=100, method="inclusive")
    print(f"the machine takes       {limit['requests_s']:10,.0f} requests a second")
    print(f"load                    {load['requests_s']:10,.0f} ({figures['share']:.0%} of that)")
    print(f"accepted                {load['accepted']:10,}, {load['not_ok']} not answered 200")
    print(f"latency                 {load['p50_ms']:10.2f} ms (50 %), {load['p99_ms']:.2f} (99 %),")
    print(f"                        {load['p999_ms']:10.2f} ms (99.9 %)")
    print(f"in its row after        {hundredths[49]:10.3f} s (50 %), {hundredths[98]:.3f} (99 %),")
    print(f"                        {late[-1]:10.3f} s (the last of {len(late)})")
    third = len(figures["backlog"]) // 3
    for name, part in (("first", slice(third)), ("last", slice(-third, None))):
        print(f"backlog, {name:5} third    {max(figures['backlog'][part]):10,} adds at most")
    print(f"left {figures['drained_after_s']:5.1f} s after the end {figures['left']:6,}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
