"""Start the service's processes, restart those that die, replace them on SIGHUP."""

import logging
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from core.server.listener import refuse_new

log = logging.getLogger(__name__)

READY_WITHIN_S = 30
STOP_WITHIN_S = 5
# Of that, for the connections that have begun but not been accepted.
LAST_ACCEPTS_WITHIN_S = 0.5
# Pauses before a process that ended soon after its start is started again. They double.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 8.0
# What a worker gets on its lifeline when the service will stop soon.
STOPPING = b"s"

_ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


@dataclass
class Child:
    """One process. Through the lifeline it reports that it is ready, and notices our death."""

    name: str
    process: subprocess.Popen[bytes]
    lifeline: socket.socket
    began: float = field(default_factory=time.monotonic)


@dataclass
class Pause:
    """When a process that ended is started again, and how long the pause was."""

    until: float
    length_s: float


class Supervisor:
    """Keep one process running for each name.

    `command(name, fd)` returns a process's command line; `fd` is its end of the lifeline. All
    inherit `listener`, so a connection that the kernel has accepted waits for a running process.
    `on_reload` gets the outcome of each reload: "" or why the old processes go on. At a signal to
    stop, processes go on for `stop_delay_s`, and report that they will stop.
    """

    def __init__(
        self,
        names: list[str],
        command: Callable[[str, int], list[str]],
        listener: socket.socket,
        *,
        on_reload: Callable[[str], None],
        stop_delay_s: float = 0,
    ) -> None:
        self._names = names
        self._command = command
        self._listener = listener
        self._on_reload = on_reload
        self._stop_delay_s = stop_delay_s
        self._children: dict[str, Child] = {}
        self._pauses: dict[str, Pause] = {}
        self._signals: set[int] = set()
        self._wake, self._signalled = socket.socketpair()
        self._wake.setblocking(False)
        self._signalled.setblocking(False)

    def run(self, on_ready: Callable[[], None]) -> int:
        """Serve until SIGTERM or SIGINT. Returns the exit code: 1 if the start failed, else 0."""
        self._listen_for_signals()
        self._children, failure = self._start_all()
        if failure:
            log.error("%s", failure)
            self._stop(self._children.values())
            return 0 if self._signals & _ENDING else 1
        on_ready()
        self._watch()
        self._finish()
        return 0

    # -- Signals -----------------------------------------------------------------------------------

    def _listen_for_signals(self) -> None:
        """Turn signals into bytes to read, so that they interrupt nothing."""
        signal.set_wakeup_fd(self._signalled.fileno())
        for signum in (*_ENDING, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(signum, lambda *_: None)

    def _wait(self, timeout_s: float | None, *, also: Iterable[socket.socket] = ()) -> set[object]:
        """Wait for a signal, which goes to `_signals`, or for one of these sockets.

        Return the sockets that can be read. Empty after `timeout_s`.
        """
        with selectors.DefaultSelector() as selector:
            for each in (self._wake, *also):
                selector.register(each, selectors.EVENT_READ)
            ready: set[object] = {key.fileobj for key, _ in selector.select(timeout_s)}
        if self._wake in ready:
            self._signals |= set(self._wake.recv(1024))
        return ready

    # -- Start -------------------------------------------------------------------------------------

    def _start_all(self) -> tuple[dict[str, Child], str]:
        """Start a process for each name, and wait until all are ready. Return why not, or ""."""
        started: dict[str, Child] = {}
        try:
            for name in self._names:
                started[name] = self._start(name)
        except OSError as error:
            return started, f"a process can't be started: {error}"
        return started, self._why_not_ready(list(started.values()))

    def _start(self, name: str) -> Child:
        """Start a process. Raises OSError, also if its program does not exist."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                self._command(name, theirs.fileno()),
                pass_fds=(self._listener.fileno(), theirs.fileno()),
                # Ctrl-C reaches all processes of a terminal. When they stop, we decide.
                preexec_fn=_ignore_sigint,  # noqa: PLW1509  # There are no threads here.
            )
        return Child(name, process, ours)

    def _why_not_ready(self, children: list[Child]) -> str:
        """Wait until all are ready. Return "", or which one is not and why."""
        waiting = {child.lifeline: child for child in children}
        give_up_at = time.monotonic() + READY_WITHIN_S
        while waiting:
            ready = self._wait(max(0.0, give_up_at - time.monotonic()), also=waiting)
            if self._signals & _ENDING:
                return "stopped during the start"
            if not ready:
                names = ", ".join(child.name for child in waiting.values())
                return f"{names} was not ready within {READY_WITHIN_S} s"
            for child in [child for lifeline, child in waiting.items() if lifeline in ready]:
                del waiting[child.lifeline]
                if not child.lifeline.recv(16):
                    return f"{child.name} ended during its start"
        return ""

    # -- While it runs -----------------------------------------------------------------------------

    def _watch(self) -> None:
        """Replace processes that die or should be replaced, until a signal asks for the end."""
        while not self._signals & _ENDING:
            if signal.SIGHUP in self._signals:
                self._signals.discard(signal.SIGHUP)
                self._reload()
            self._notice_the_dead()
            self._restart_the_dead()
            if not self._signals:
                untils = [pause.until for pause in self._pauses.values()]
                self._wait(max(0.0, min(untils) - time.monotonic()) if untils else None)
            self._signals.discard(signal.SIGCHLD)

    def _notice_the_dead(self) -> None:
        for name, child in list(self._children.items()):
            code = child.process.poll()
            if code is not None:
                log.error("%s (pid %s) ended with %s", name, child.process.pid, code)
                child.lifeline.close()
                del self._children[name]
                self._pause(name, lived_s=time.monotonic() - child.began)

    def _pause(self, name: str, *, lived_s: float) -> None:
        """Set when a process is started again. At once, if it lived long."""
        before = self._pauses.get(name, Pause(0, 0)).length_s
        length_s = min(max(FIRST_PAUSE_S, 2 * before), LONGEST_PAUSE_S)
        if lived_s > length_s:
            length_s = 0
        self._pauses[name] = Pause(time.monotonic() + length_s, length_s)

    def _restart_the_dead(self) -> None:
        for name in set(self._names) - self._children.keys():
            if self._pauses[name].until > time.monotonic():
                continue
            try:
                self._children[name] = self._start(name)
            except OSError as error:
                log.error("%s can't be started: %s", name, error)
                self._pause(name, lived_s=0)

    def _reload(self) -> None:
        """Replace all processes. The old ones go on until all new ones are ready."""
        log.info("reloading")
        new, failure = self._start_all()
        if failure:
            log.error("reload given up, the old processes go on: %s", failure)
            self._stop(new.values())
        else:
            old, self._children = self._children, new
            self._pauses.clear()
            self._stop(old.values())
            log.info("reloaded")
        self._on_reload(failure)

    # -- The end -----------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Stop: first no new connections, then what was begun is answered."""
        if self._stop_delay_s:
            self._announce()
        refuse_new(self._listener, within_s=LAST_ACCEPTS_WITHIN_S)
        self._stop(self._children.values())

    def _announce(self) -> None:
        """Let balancers see that the service will stop. A second signal ends the delay."""
        log.info("stopping in %s s", self._stop_delay_s)
        for child in self._children.values():
            with suppress(OSError):  # It has just ended.
                child.lifeline.send(STOPPING)
        self._signals.clear()
        give_up_at = time.monotonic() + self._stop_delay_s
        while not self._signals & _ENDING and time.monotonic() < give_up_at:
            self._wait(max(0.0, give_up_at - time.monotonic()))

    def _stop(self, children: Iterable[Child]) -> None:
        """End processes. Those that do not end in time are killed."""
        children = list(children)
        for child in children:
            child.process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S - LAST_ACCEPTS_WITHIN_S
        for child in children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("%s did not stop in time: killed", child.name)
                child.process.kill()
                child.process.wait()
            child.lifeline.close()


def _ignore_sigint() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
