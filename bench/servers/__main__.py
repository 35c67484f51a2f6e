"""Measure our HTTP server beside others with the same Django code: `script/bench servers --help`.

All of them run one process on one core and store adds in a journal. Behind the others is
bench/peers/asgi_door.py. The servers take turns in one run, so a busy machine hits all of them.
"""

import statistics
import sys
from argparse import ArgumentParser
from importlib.metadata import version
from subprocess import run

from bench.circumstances import circumstances
from bench.processes import wait_until_calm
from bench.wire.measure import Round, full_speed
from bench.wire.stage import OTHER_CORE, PROGRAMS, SERVING_CORE, NotRunError, Stage
from bench.wire.subjects import Subject

_DOOR = "bench.peers.asgi_door:app"
_COMMANDS = {
    "uvicorn": (
        f"{{programs}}/uvicorn {_DOOR} --loop uvloop --http httptools --lifespan off"
        " --no-access-log --log-level warning --timeout-keep-alive 75 --port {port}"
    ),
    "granian": (
        f"{{programs}}/granian {_DOOR} --interface asginl --loop uvloop --no-ws --workers 1"
        " --log-level warning --host 127.0.0.1 --port {port}"
    ),
    "gunicorn": (
        f"{{programs}}/gunicorn {_DOOR} --worker-class asgi --workers 1 --log-level warning"
        " --keep-alive 75 --bind 127.0.0.1:{port}"
    ),
}
_ENVIRONMENT = {
    "DATABASE_URL": "sqlite:///{directory}/none.sqlite3",
    "INTAKE_URL": "journal://{directory}/journal?max_records=1000000000&max_age_s=1000000",
    "VAR_DIR": "{directory}",
    "ROLE": "storefront",
    "PYTHONPATH": ".",
}


def _subject(name: str, serve: str) -> Subject:
    return Subject(name=name, title=name, kind="ours", serve=serve, env=_ENVIRONMENT)


_OURS = _subject("ours", "{python} manage.py serve --workers 1 --no-drain --port {port}")


def main() -> None:
    parser = ArgumentParser(prog="script/bench servers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default: 7")
    parser.add_argument("--seconds", type=int, default=4, help="of one run; default: 4")
    parser.add_argument("--quick", action="store_true", help="--rounds 3 --seconds 2")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.seconds = 3, 2
    subjects = [_OURS, *(_subject(*each) for each in _COMMANDS.items())]
    with Stage(durable=False) as stage:
        found = _measure(stage, subjects, given.rounds, given.seconds)
    sys.stdout.write(
        f"{circumstances(durable=False, seconds=given.seconds, rounds=given.rounds)}\n"
    )
    sys.stdout.write(_table(found))


def _measure(
    stage: Stage, subjects: list[Subject], rounds: int, seconds: int
) -> dict[str, list[Round]]:
    """Run the subjects in turns; the first turn only warms them up."""
    running = {}
    for subject in subjects:
        try:
            running[subject.name] = stage.start(subject)
        except NotRunError as error:
            sys.stderr.write(f"{subject.name} is not run: {error}\n")
    found: dict[str, list[Round]] = {name: [] for name in running}
    for number in range(rounds + 1):
        for name, each in running.items():
            wait_until_calm([SERVING_CORE, OTHER_CORE], within_s=3)
            result = full_speed(stage, each, seconds)
            sys.stderr.write(f"round {number}: {name}: {result}\n")
            if number:
                found[name].append(result)
    return found


def _table(found: dict[str, list[Round]]) -> str:
    lines = [
        "| server | CPU of a POST, µs | over ours | requests/s | ours over it | not 200 |\n",
        "|---|---|---|---|---|---|\n",
    ]
    for name, rounds in found.items():
        cpu, over = _medians(found, name, "server_us")
        rate, under = _medians(found, name, "requests_s")
        not_ok = sum(each.not_ok for each in rounds)
        figures = f"{cpu:.1f} | {over:.2f} | {rate:,.0f} | {1 / under:.2f} | {not_ok}"
        lines.append(f"| {_title(name)} | {figures} |\n")
    return "".join(lines)


def _medians(found: dict[str, list[Round]], name: str, figure: str) -> tuple[float, float]:
    """Return the median of a figure, and the median of its ratio to ours in the same round."""
    values = [getattr(each, figure) for each in found[name]]
    ours = [getattr(each, figure) for each in found["ours"]]
    ratios = [value / own for value, own in zip(values, ours, strict=True)]
    return statistics.median(values), statistics.median(ratios)


def _title(name: str) -> str:
    if name == "ours":
        return f"ours, Django {version('django')}, uvloop {version('uvloop')}"
    code = f"from importlib.metadata import version; print(version({name!r}))"
    done = run([PROGRAMS / "python", "-c", code], capture_output=True, text=True, check=True)
    return f"{name} {done.stdout.strip()}"


if __name__ == "__main__":
    main()
