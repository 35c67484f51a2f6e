"""Measure POST /items over the wire, beside peers: `script/bench wire --help`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.circumstances import circumstances
from bench.processes import wait_until_calm
from bench.wire import chart, render
from bench.wire.measure import Round, fixed_rate, full_speed
from bench.wire.open_loop import Outcome
from bench.wire.proof import prove
from bench.wire.results import Report, Result
from bench.wire.stage import OTHER_CORE, SERVING_CORE, NotRunError, Running, Stage
from bench.wire.subjects import SUBJECTS, Subject

# Share of the slowest peer's limit: every subject can keep up, and the slowest has some queue.
FIXED_SHARE = 0.6
# A run during which others took more of a core than this is tried again.
DISTURBED = 0.10

Measured = TypeVar("Measured", Round, Outcome)

_NEEDED = {"wrk": "apt-get install wrk", "taskset": "apt-get install util-linux"}


class Bench:
    """One whole run. A subject that fails is left out from then on; its `problem` says why."""

    def __init__(self, stage: Stage, subjects: list[Subject], given: Namespace) -> None:
        self._stage = stage
        self._given = given
        self._began = time.monotonic()
        self._running: list[tuple[Result, Running]] = []
        where = circumstances(durable=given.durable, seconds=given.seconds, rounds=given.rounds)
        self.report = Report(where, [Result(subject) for subject in subjects])

    def run(self) -> None:
        for result in self.report.results:
            self._start(result)
        self._all("warm-up", self._warm_up)
        rounds = [
            f"round {number + 1} of {self._given.rounds}" for number in range(self._given.rounds)
        ]
        for name in rounds:
            self._all(name, self._round)
        self.report.rate = self._rate()
        for name in rounds:
            self._all(f"{name} at {self.report.rate:.0f}/s", self._fixed_rate)
        self._all("what is stored", self._prove)

    def _tell(self, line: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._began:4.0f} s] {line}\n")

    def _start(self, result: Result) -> None:
        try:
            self._running.append((result, self._stage.start(result.subject)))
        except NotRunError as error:
            result.problem = f"not run: {error}"
        self._tell(f"{result.subject.title}: {result.problem or 'ready'}")

    def _all(self, step: str, action: Callable[[Result, Running], object]) -> None:
        for result, running in list(self._running):
            try:
                said = action(result, running)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                said = result.problem = f"{step} failed: {error}"
                self._running.remove((result, running))
                running.stop()
            self._tell(f"{step}: {result.subject.title}: {said}")

    def _least_disturbed(self, measure: Callable[[], Measured]) -> Measured:
        """Measure; if disturbed, retry. Return the least disturbed run, which may be a slow one."""
        tries = []
        for _ in range(1 + self._given.retries):
            wait_until_calm([SERVING_CORE, OTHER_CORE], within_s=self._given.calm_within)
            tries.append(measure())
            if tries[-1].others <= DISTURBED:
                break
        return min(tries, key=lambda each: each.others)

    def _warm_up(self, result: Result, running: Running) -> Round:
        return full_speed(self._stage, running, self._given.warm_up)

    def _round(self, result: Result, running: Running) -> Round:
        found = self._least_disturbed(lambda: full_speed(self._stage, running, self._given.seconds))
        result.rounds.append(found)
        return found

    def _rate(self) -> float:
        limits = [each.requests_s for each in self.report.of_kind("peer")]
        limits = limits or [each.requests_s for each in self.report.measured] or [0]
        return self._given.rate or round(FIXED_SHARE * min(limits))

    def _fixed_rate(self, result: Result, running: Running) -> str:
        found = self._least_disturbed(
            lambda: fixed_rate(self._stage, running, self.report.rate, self._given.seconds)
        )
        result.fixed.append(found)
        percentiles = ", ".join(f"{name} {ms} ms" for name, ms in found.latencies_ms.items())
        return f"{percentiles}; others {found.others:.0%} of a core"

    def _prove(self, result: Result, running: Running) -> object:
        result.proof = prove(self._stage, running)
        return result.proof or "nothing, by design"


def main() -> None:
    given = _arguments()
    for program, how in _NEEDED.items():
        if shutil.which(program) is None:
            sys.exit(f"bench: {program} is not installed. Debian has it: {how}")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench: two cores are needed: one for the subject, one for everything else.")
    subjects = [each for each in SUBJECTS if not given.only or each.name in given.only]
    # End as with Ctrl-C: otherwise a SIGTERM would leave the started processes running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped."))
    with Stage(durable=given.durable) as stage:
        bench = Bench(stage, subjects, given)
        bench.run()
    sys.exit(_write(bench.report, given))


def _write(report: Report, given: Namespace) -> bool:
    """Print the report and write the files that were asked for. Return whether anything failed."""
    sys.stdout.write(render.text(report))
    files: dict[Path | None, Callable[[Report], str]] = {
        given.markdown: render.markdown,
        given.json: lambda each: json.dumps(each.raw(), indent=1) + "\n",
        given.svg: chart.svg,
    }
    for path, content in files.items():
        if path and report.measured:
            path.write_text(content(report))
    return any(result.failures for result in report.results)


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="script/bench wire", description=__doc__)
    add = partial(parser.add_argument, type=int)
    add("--seconds", default=6, help="of one run; default: 6")
    add("--rounds", default=3, help="default: 3")
    add("--warm-up", default=2, metavar="SECONDS", help="default: 2")
    add("--rate", help="of the latency's runs; default: 60 %% of the slowest peer's limit")
    add("--retries", default=1, help="of a run that other processes disturb; default: 1")
    add("--calm-within", default=10, metavar="SECONDS", help="wait for a calm machine; default: 10")
    add("--markdown", type=Path, metavar="FILE")
    add("--json", type=Path, metavar="FILE")
    add("--svg", type=Path, metavar="FILE", help="a bar chart of the requests a second")
    names = [each.name for each in SUBJECTS]
    add("--only", type=str, nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    flag = partial(parser.add_argument, action="store_true")
    flag("--durable", help="PostgreSQL waits for the disk at each commit")
    flag("--quick", help="--seconds 2 --rounds 2 --warm-up 1 --retries 0 --calm-within 1")
    given = parser.parse_args()
    if given.quick:
        given.seconds, given.rounds, given.warm_up = 2, 2, 1
        given.retries, given.calm_within = 0, 1
    return given


if __name__ == "__main__":
    main()
