"""Start PostgreSQL, Valkey and the subjects, each on its core and with its own database."""

import json
import os
import shlex
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

from bench.processes import Process, cpu_s
from bench.wire.subjects import Subject
from bench.wire.traffic import cart_id
from tests.support.postgres import Postgres
from tests.support.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent.parent
SERVING_CORE, OTHER_CORE = 0, 1
PROGRAMS = ROOT / os.environ.get("BENCH_VENV", ".venv-bench") / "bin"
STARTED_WITHIN_S = 60

_KNOWN_CART = cart_id(1)


class NotRunError(Exception):
    """A subject can't be measured; the text says why, in one line."""


@dataclass
class Running:
    """A subject that is ready for requests, and the numbers of the requests that it was sent.

    `unsure` counts the requests that may or may not be stored: without an answer, or refused.
    """

    subject: Subject
    port: int
    database: str
    server: Process
    behind: Process | None
    sent: list[range] = field(default_factory=list)
    next_number: int = 0
    unsure: int = 0

    def enter(self, first: int, end: int, *, unsure: int) -> None:
        self.sent.append(range(first, end))
        self.next_number = end
        self.unsure += unsure

    def stop(self) -> None:
        for process in (self.server, self.behind):
            if process is not None:
                process.stop()


class Stage:
    """What all subjects use. This process and the servers run on OTHER_CORE until the end.

    `durable` makes PostgreSQL wait for the disk at each commit, as it does in production.
    """

    def __init__(self, *, durable: bool) -> None:
        os.sched_setaffinity(0, {OTHER_CORE})  # All processes started from here inherit it.
        with ExitStack() as ends:
            self.directory = Path(tempfile.mkdtemp(prefix="cart-tracker-bench-"))
            ends.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.postgres = Postgres(durable=durable)
            ends.callback(self.postgres.remove)
            self._valkey = Valkey("appendonly yes", "appendfsync everysec")
            ends.callback(self._valkey.remove)
            self._make_templates()
            self._ends = ends.pop_all()
        self._pids = [
            int((self.postgres.data / "postmaster.pid").read_text().split()[0]),
            int(self._valkey.execute("INFO", "server")["process_id"]),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def start(self, subject: Subject) -> Running:
        """Start a subject. Return when it answers correctly.

        Raises NotRunError if it does not.
        """
        directory = self.directory / subject.name
        directory.mkdir()
        port = _free_port()
        database = subject.name.replace("-", "_")
        if subject.items:
            self.postgres.execute(f"CREATE DATABASE {database} TEMPLATE template_{subject.items}")
        words: dict[str, object] = {
            "python": sys.executable,
            "programs": PROGRAMS,
            "port": port,
            "database": self.postgres.url(database),
            "broker": f"127.0.0.1:{self._valkey.port}",
            "directory": directory,
        }
        server = _start(subject, subject.serve, words, core=SERVING_CORE)
        self._ends.callback(server.stop)
        behind = None
        if subject.behind:
            behind = _start(subject, subject.behind, words, core=OTHER_CORE)
            self._ends.callback(behind.stop)
        running = Running(subject, port, database, server, behind)
        try:
            _require_answers(running)
        except NotRunError:
            running.stop()
            raise
        return running

    def cpu_s(self) -> float:
        """Return the CPU seconds that PostgreSQL and Valkey have used."""
        return cpu_s(self._pids)

    def _make_templates(self) -> None:
        for items in ("item", "tracker_item"):
            self.postgres.execute(f"CREATE DATABASE template_{items}")
        schema = (ROOT / "bench/peers/schema.sql").read_text()
        self.postgres.execute(schema, "template_item")
        database = self.postgres.url("template_tracker_item")
        migration = Process(
            [sys.executable, "manage.py", "migrate"],
            core=OTHER_CORE,
            env={"DATABASE_URL": database, "VAR_DIR": str(self.directory)},
            cwd=ROOT,
            log=self.directory / "migrate.log",
        )
        if not _within(STARTED_WITHIN_S, lambda: not migration.is_running) or migration.failed:
            migration.stop()
            sys.exit(f"bench: the database could not be migrated: {migration.last_error()}")


def _start(subject: Subject, line: str, words: dict[str, object], *, core: int) -> Process:
    command = [part.format_map(words) for part in shlex.split(line)]
    if shutil.which(command[0]) is None:
        how = "apt-get install nodejs npm" if command[0] == "node" else "script/bench"
        raise NotRunError(f"{command[0]} is not installed; this does it: {how}")
    return Process(
        command,
        core=core,
        env={name: value.format_map(words) for name, value in subject.env.items()},
        cwd=ROOT / subject.folder,
        log=Path(str(words["directory"])) / f"core-{core}.log",
    )


def _require_answers(running: Running) -> None:
    """Wait until the subject answers anything. Then require the right answers.

    Raises NotRunError if it ends, does not answer, or answers something else.
    """

    def answers() -> bool:
        if not running.server.is_running:
            raise NotRunError(f"it ended at its start: {running.server.last_error()}")
        with suppress(OSError, HTTPException):
            exchange(running.port, "GET", "/items")
            return True
        return False

    if not _within(STARTED_WITHIN_S, answers):
        raise NotRunError(f"it did not answer within {STARTED_WITHIN_S} s")
    if running.subject.kind != "reference":
        _require_the_contract(running.port)


def _require_the_contract(port: int) -> None:
    """Require what every subject must do: one that did less would seem faster than it is.

    Raises NotRunError.
    """
    item = {"product_id": "probe", "name": "Söckchen", "price": 5}
    cookie = {"Cookie": f"theme=dark; cart_id={_KNOWN_CART}"}
    status, headers, body = exchange(port, "POST", "/items", item, cookie)
    if status != 200 or body != {"cart_id": _KNOWN_CART}:
        raise NotRunError(f"it answers a good item with {status}, {body}")
    if f"cart_id={_KNOWN_CART}" not in headers.get("set-cookie", ""):
        raise NotRunError("it does not set the cookie")
    _, _, body = exchange(port, "POST", "/items", item | {"cart_id": _KNOWN_CART})
    if body != {"cart_id": _KNOWN_CART}:
        raise NotRunError(f"it does not take the body's cart id, but answers {body}")
    for wrong in ({"price": -1}, {"price": "many"}, {"product_id": ""}):
        status, _, _ = exchange(port, "POST", "/items", item | wrong)
        if not 400 <= status < 500:
            raise NotRunError(f"it answers {wrong} with {status}")


def exchange(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], Any]:
    """Send a request on a connection of its own.

    Returns the status, the headers with names in lower case, and the decoded JSON, else the text.
    """
    client = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        sent = {"Content-Type": "application/json", **(headers or {})}
        client.request(method, path, json.dumps(body), sent)
        reply = client.getresponse()
        content = reply.read()
    finally:
        client.close()
    is_json = reply.getheader("Content-Type", "").startswith("application/json")
    names = {name.lower(): value for name, value in reply.getheaders()}
    return reply.status, names, json.loads(content) if is_json else content.decode()


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
