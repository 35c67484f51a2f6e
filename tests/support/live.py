"""The service as real processes with real sockets, for tests from outside."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
# R32 asks for 3 s. A busy machine gets more, but less than what waits twice, or for ever, needs.
IN_TIME_S = 10


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """`manage.py serve` on a free port, with the environment given on top of the tests' own.

    `root` is where the code is, `files` the limit of open files, `python` the program.
    """

    def __init__(
        self,
        *args: str,
        env: dict[str, str],
        root: Path = ROOT,
        files: int | None = None,
        python: str = sys.executable,
    ) -> None:
        command = [python, str(root / "manage.py"), "serve", "--port", "0", *args]
        if files is not None:
            command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        self.process = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_for(lambda: self._port() or self.process.poll() is not None, within_s=60)
        port = self._port()
        if not port:
            self.stop()
        assert port, f"the server did not start:\n{self.printed()}"
        self.port = int(port)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.output.append(line)

    def printed(self) -> str:
        return "".join(self.output)

    def _port(self) -> str | None:
        found = re.search(r"ready on http://(?:127\.0\.0\.1|\[::\]):(\d+)", self.printed())
        return found and found[1]

    def connect(self, timeout_s: float = 30) -> socket.socket:
        """Open a connection, for what no HTTP client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def exchange(self, raw: bytes, *, half_close: bool = False) -> Reply:
        """Send these bytes on a new connection. Return the first answer."""
        with self.connect() as connection:
            connection.sendall(raw)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_reply(connection)

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send a request with Python's client. A body that is not bytes is sent as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        client = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            client.request(method, path, body, headers or {})
            return _reply(client.getresponse())
        finally:
            client.close()

    def add(self, **members: Any) -> Reply:
        return self.request("POST", "/items", members)

    def children(self) -> list[int]:
        """Return the process ids of the workers."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Stop the server, and return its exit code. It is killed after 30 seconds."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join(5)
        assert self.process.stdout
        self.process.stdout.close()
        return code


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def read_reply(connection: socket.socket) -> Reply:
    """Read the next answer on a connection. Raises http.client's errors if there is none."""
    response = HTTPResponse(connection)
    response.begin()
    return _reply(response)


def _reply(response: HTTPResponse) -> Reply:
    return Reply(response.status, dict(response.getheaders()), response.read())


def wait_for(condition: Callable[[], Any], *, within_s: float = 30) -> Any:
    """Poll until the condition holds, and return its value. Fails the test if it never does."""
    deadline = time.monotonic() + within_s
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {condition}"
        time.sleep(0.02)
    return result
