"""Start processes on a core of their own, and measure the CPU time that they use."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
STOP_WITHIN_S = 10

# What a subject may inherit: a developer's own DEBUG=1 or DATABASE_URL must not reach it.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class Process:
    """One program and all processes that it starts, pinned to one core until `stop`.

    Raises OSError if the program can't be started.
    """

    def __init__(
        self, command: list[str], *, core: int, env: dict[str, str], cwd: Path, log: Path
    ) -> None:
        self._log = log
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [str(shutil.which("taskset")), "-c", str(core), *command],
                cwd=cwd,
                env=inherited | env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def failed(self) -> bool:
        return bool(self._process.poll())

    def last_error(self) -> str:
        """Return the last line of the log that mentions an error, or else the last line."""
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines()]
        lines = [line for line in lines if line] or ["it wrote nothing"]
        return [line for line in ["", *lines] if "rror" in line or line == lines[-1]][-1]

    def stop(self) -> None:
        """Ask the processes to end, then kill those that are left."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_WITHIN_S)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, signum: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signum)


def cpu_s(roots: Iterable[int]) -> float:
    """Return the CPU seconds of these processes and all their descendants, ended ones included."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It has ended meanwhile.
            # The name, in parentheses, may hold anything. Fields 3 and up follow it, see proc(5).
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    family = set(roots)
    return sum(ticks[pid] for pid in ticks if _descends(pid, family, parents)) * TICK_S


def _descends(pid: int, family: set[int], parents: dict[int, int]) -> bool:
    while pid and pid not in family:
        pid = parents.get(pid, 0)
    return pid in family


def machine_cpu_s(core: int) -> float:
    """Return the CPU seconds that all processes of the machine have used on one core.

    Raises OSError if there is no such core.
    """
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, ticks[:7])
            return (user + nice + system + irq + softirq) * TICK_S
    raise OSError(f"there is no core {core}")


def wait_until_calm(cores: Iterable[int], *, within_s: float) -> None:
    """Wait until none of the cores has much to do, but not longer than `within_s`."""
    cores = list(cores)
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        before = [machine_cpu_s(core) for core in cores]
        time.sleep(0.4)
        if max(machine_cpu_s(core) - used for core, used in zip(cores, before, strict=True)) < 0.05:
            return


def wait_until_quiet(roots: list[int], *, within_s: float) -> float:
    """Wait until these processes have nothing to do. Return after how many seconds that was.

    Idle processes wake up now and then to look for work: up to a tenth of a core counts as idle.
    """
    began = quiet_since = time.monotonic()
    used = cpu_s(roots)
    while (now := time.monotonic()) - began < within_s:
        time.sleep(0.2)
        before, used = used, cpu_s(roots)
        if used - before > 0.02:
            quiet_since = time.monotonic()
        elif now - quiet_since > 0.3:
            break
    return quiet_since - began
