"""Start the service's processes, restart those that die, replace them on SIGHUP."""

import logging
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

READY_WITHIN_S = 30
STOP_WITHIN_S = 5
# A pause, so that a process that dies at once is not restarted in a busy loop.
RESTART_PAUSE_S = 1.0
# How many connections the kernel holds until they are accepted. It is limited by somaxconn.
LISTEN_BACKLOG = 2048


@dataclass
class Child:
    """One process. Through the lifeline it reports that it is ready, and notices our death."""

    name: str
    process: subprocess.Popen[bytes]
    lifeline: socket.socket
    began: float = field(default_factory=time.monotonic)


class Supervisor:
    """Keep one process running for each name.

    `command(name, fd)` returns a process's command line; `fd` is its end of the lifeline. All
    inherit `listener`, so a connection that the kernel has accepted waits for a running process.
    """

    def __init__(
        self,
        names: list[str],
        command: Callable[[str, int], list[str]],
        listener: socket.socket,
    ) -> None:
        self._names = names
        self._command = command
        self._listener = listener
        self._children: dict[str, Child] = {}
        self._wake, self._signalled = socket.socketpair()
        self._wake.setblocking(False)
        self._signalled.setblocking(False)

    def run(self, on_ready: Callable[[], None]) -> int:
        """Serve until SIGTERM or SIGINT. Returns the exit code: 1 if the start failed, else 0."""
        self._listen_for_signals()
        try:
            for name in self._names:
                self._children[name] = self._start(name)
            if not all(self._wait_until_ready(child) for child in self._children.values()):
                return 1
            on_ready()
            self._watch()
            return 0
        finally:
            self._stop(list(self._children.values()))

    def _listen_for_signals(self) -> None:
        """Turn signals into bytes to read, so that they interrupt nothing."""
        signal.set_wakeup_fd(self._signalled.fileno())
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(signum, lambda *_: None)

    def _start(self, name: str) -> Child:
        ours, theirs = socket.socketpair()
        fds = (self._listener.fileno(), theirs.fileno())
        process = subprocess.Popen(self._command(name, theirs.fileno()), pass_fds=fds)
        theirs.close()
        return Child(name, process, ours)

    def _wait_until_ready(self, child: Child) -> bool:
        child.lifeline.settimeout(READY_WITHIN_S)
        try:
            if child.lifeline.recv(16):
                return True
        except TimeoutError:
            log.error("%s was not ready within %s s", child.name, READY_WITHIN_S)
        else:
            log.error("%s ended during its start", child.name)
        return False

    def _watch(self) -> None:
        """Replace processes that die or should be replaced, until a signal asks for the end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                selector.select()
                signals = set(self._wake.recv(1024))
                if signals & {signal.SIGTERM, signal.SIGINT}:
                    return
                if signal.SIGHUP in signals:
                    self._reload()
                self._restart_the_dead()

    def _restart_the_dead(self) -> None:
        for name, child in list(self._children.items()):
            code = child.process.poll()
            if code is None:
                continue
            log.error("%s (pid %s) ended with %s: restarting it", name, child.process.pid, code)
            child.lifeline.close()
            if time.monotonic() - child.began < RESTART_PAUSE_S:
                time.sleep(RESTART_PAUSE_S)
            self._children[name] = self._start(name)

    def _reload(self) -> None:
        """Replace one process after the other. The new one is ready before the old one stops."""
        log.info("reloading")
        for name in self._names:
            new = self._start(name)
            if not self._wait_until_ready(new):
                log.error("reload given up: the old processes go on")
                self._stop([new])
                return
            old, self._children[name] = self._children[name], new
            self._stop([old])
        log.info("reloaded")

    def _stop(self, children: list[Child]) -> None:
        for child in children:
            child.process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("%s did not stop within %s s: killed", child.name, STOP_WITHIN_S)
                child.process.kill()
                child.process.wait()
            child.lifeline.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket that child processes can inherit. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=LISTEN_BACKLOG)
    os.set_inheritable(listener.fileno(), True)
    return listener
