"""One run of one subject: under wrk at full speed, or at a fixed rate; and what it cost."""

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from bench.processes import cpu_s, machine_cpu_s, wait_until_quiet
from bench.wire.open_loop import Outcome
from bench.wire.stage import OTHER_CORE, ROOT, SERVING_CORE, Running, Stage

CONNECTIONS = 16
DRAINED_WITHIN_S = 180


@dataclass(frozen=True)
class Round:
    """Figures of one run under wrk; `server_us` and `behind_us` are CPU per answered request.

    `behind_us` is the CPU of drain or worker, PostgreSQL and Valkey, until nothing was left to do,
    `drained_after_s` after the load. `others` is the share of a core that processes outside of the
    measurement took, on the core where that was more.
    """

    requests_s: float
    latencies_ms: dict[str, float]
    not_ok: int
    server_us: float
    behind_us: float
    drained_after_s: float
    others: float

    def __str__(self) -> str:
        return (
            f"{self.requests_s:,.0f}/s, server {self.server_us:.0f} µs, others {self.others:.0%}"
            f" of a core, drained after {self.drained_after_s:.1f} s, {self.not_ok} not 200"
        )


@dataclass
class Usage:
    """CPU seconds so far: of the server, of what is behind it, of the load, and of each core."""

    stage: Stage
    running: Running
    server: float = 0
    behind: float = 0
    load: float = 0
    cores: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = cpu_s([self.running.server.pid])
        behind = self.running.behind
        self.behind = self.stage.cpu_s() + (cpu_s([behind.pid]) if behind else 0)
        self.load = sum(sum(resource.getrusage(who)[:2]) for who in _OURSELVES)
        self.cores = {core: machine_cpu_s(core) for core in (SERVING_CORE, OTHER_CORE)}

    def others_since(self, before: "Usage") -> float:
        """Return the CPU seconds of all other processes, on the core where that is more."""
        serving = self.server - before.server
        behind = self.behind - before.behind + self.load - before.load
        return max(
            self.cores[SERVING_CORE] - before.cores[SERVING_CORE] - serving,
            self.cores[OTHER_CORE] - before.cores[OTHER_CORE] - behind,
            0,
        )


_OURSELVES = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def full_speed(stage: Stage, running: Running, seconds: int) -> Round:
    """Send requests on 16 connections as fast as they are answered, then wait for the drain.

    Raises RuntimeError if wrk fails.
    """
    first = running.next_number
    before = Usage(stage, running)
    found = _wrk(running.port, first, seconds)
    after = Usage(stage, running)
    # wrk makes one request at its start that it does not send.
    sent, answered = found["next_number"] - first - 1, max(1, found["answered"])
    not_ok = found["not_ok"] + found["broken"]
    running.enter(first + 1, found["next_number"], unsure=sent - found["answered"] + not_ok)
    drained_after_s = wait_until_drained(running)
    behind_s = Usage(stage, running).behind - before.behind
    took_s = found["took_us"] / 1e6
    return Round(
        requests_s=found["answered"] / took_s,
        latencies_ms={name: found[f"{name}_us"] / 1000 for name in _PERCENTILES},
        not_ok=not_ok,
        server_us=(after.server - before.server) / answered * 1e6,
        behind_us=behind_s / answered * 1e6,
        drained_after_s=drained_after_s,
        others=after.others_since(before) / took_s,
    )


_PERCENTILES = ("p50", "p90", "p99", "p999", "max")


def wait_until_drained(running: Running) -> float:
    """Wait until the drain or worker has nothing left to do. Return how many seconds that took.

    Otherwise its work would disturb the next subject's run.
    """
    if running.behind is None:
        return 0
    return wait_until_quiet([running.behind.pid], within_s=DRAINED_WITHIN_S)


def _wrk(port: int, first: int, seconds: int) -> dict[str, int]:
    command = [str(shutil.which("wrk")), "--threads", "1", "--connections", str(CONNECTIONS)]
    command += [
        "--duration",
        f"{seconds}s",
        "--timeout",
        "10s",
        "--script",
        "bench/wire/traffic.lua",
    ]
    said = _run([*command, f"http://127.0.0.1:{port}", "--", str(first)], seconds)
    for line in said.splitlines():
        if line.startswith("RESULT "):
            found: dict[str, int] = json.loads(line.removeprefix("RESULT "))
            return found
    raise RuntimeError("wrk printed no result")


def fixed_rate(stage: Stage, running: Running, rate: float, seconds: int) -> Outcome:
    """Send `rate` requests a second, however fast the answers come.

    Raises RuntimeError if the load can't be made.
    """
    first = running.next_number
    options = {"port": running.port, "rate": rate, "seconds": seconds, "first-number": first}
    command = [sys.executable, "-m", "bench.wire.open_loop"]
    command += [f"--{name}={value}" for name, value in options.items()]
    before = Usage(stage, running)
    values: dict[str, Any] = json.loads(_run(command, seconds))
    outcome = Outcome(**values)
    outcome.others = Usage(stage, running).others_since(before) / outcome.took_s
    unsure = outcome.unanswered + outcome.refused
    running.enter(first, first + outcome.sent, unsure=unsure)
    wait_until_drained(running)
    return outcome


def _run(command: list[str], seconds: int) -> str:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode:
        lines = (done.stderr.strip() or "it wrote nothing").splitlines()
        raise RuntimeError(lines[-1])
    return done.stdout
