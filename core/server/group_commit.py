"""Group commit: the adds that arrive at the same moment become durable with one wait."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from core.server.connection import Connection
from core.server.http.head import Environ
from tracker.intake.contract import Unavailable
from tracker.intake.group import KEY, Group

log = logging.getLogger(__name__)


class Runner(Protocol):
    """What runs the application. The dispatcher implements it."""

    loop: asyncio.AbstractEventLoop

    def answer(self, environ: Environ, connection: Connection, *, on_loop: Any) -> None:
        """Call the application here. `on_loop` gets each call that must be made on the loop."""

    def run_on_thread(self, environ: Environ, connection: Connection) -> None:
        """Call the application on a thread, and send its response."""


class Held(NamedTuple):
    """A request whose response is ready and waits for its group, and the calls that send it."""

    environ: Environ
    connection: Connection
    sending: list[tuple[Any, ...]]


class GroupCommit:
    """Run requests on the loop, and hold their responses until their adds are durable.

    While one group becomes durable, the next one gathers. So its size follows the load, from one
    add to as many as there are clients. With `blocks`, the wait is on a thread. All methods are
    called on the loop, except `_accept_on_thread`. What it gains: docs/performance.md.
    """

    def __init__(self, runner: Runner, *, blocks: bool) -> None:
        self._runner = runner
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit") if blocks else None
        self._group, self._held = Group(), list[Held]()
        self._is_committing = False

    def run(self, environ: Environ, connection: Connection) -> None:
        size, sending = len(self._group), list[tuple[Any, ...]]()
        environ[KEY] = self._group
        self._runner.answer(environ, connection, on_loop=lambda *call: sending.append(call))
        if len(self._group) == size:
            _send(sending)  # Refused: there is nothing to wait for.
            return
        self._held.append(Held(environ, connection, sending))
        if not self._is_committing:
            self._is_committing = True
            self._runner.loop.call_soon(self._commit)

    def _commit(self) -> None:
        group, held = self._group, self._held
        self._group, self._held = Group(), []
        if self._thread is None:
            self._finish(held, is_durable=_accept(group))
        else:
            self._thread.submit(self._accept_on_thread, group, held)

    def _accept_on_thread(self, group: Group, held: list[Held]) -> None:
        is_durable = _accept(group)
        self._runner.loop.call_soon_threadsafe(lambda: self._finish(held, is_durable=is_durable))

    def _finish(self, held: list[Held], *, is_durable: bool) -> None:
        self._is_committing = bool(self._held)
        if self._held:
            self._runner.loop.call_soon(self._commit)
        for each in held:
            if is_durable:
                _send(each.sending)
            else:
                self._run_alone(each)

    def _run_alone(self, held: Held) -> None:
        """Run a request again without a group, after its group has failed.

        That gives its add a second chance, or its client the 503. An add that is stored already
        does no harm.
        """
        del held.environ[KEY]
        held.environ["wsgi.input"].seek(0)
        self._runner.run_on_thread(held.environ, held.connection)


def _accept(group: Group) -> bool:
    try:
        group.accept()
    except Unavailable:
        return False
    except Exception:
        log.exception("a group of adds failed")  # Each one alone will show why.
        return False
    return True


def _send(sending: list[tuple[Any, ...]]) -> None:
    for call, *args in sending:
        call(*args)
