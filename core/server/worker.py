"""One worker process, from its start to its graceful stop."""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

import uvloop
from django.conf import settings

from core.public import DOCS_PREFIX
from core.server.acceptor import Acceptor
from core.server.dispatcher import Dispatcher, Refuse
from core.server.http.head import Environ
from tracker import counters
from tracker.intake.selection import current_intake
from tracker.operations import health, refusals

STOP_WITHIN_S = 4
# In one worker. An idle connection needs about 4 KB of memory.
MAX_CONNECTIONS = 16_384
# Of the open files, for all else: the threads' databases, the journal, static files.
RESERVED_FILES = 128
CLOSE_WITHIN_S = 0.5  # The disk may hang.
_MACOS_OPEN_MAX = 10_240


class Site(Protocol):
    """A WSGI application that also answers requests that could not be read."""

    @property
    def refuse(self) -> Refuse: ...

    def __call__(
        self, environ: Environ, start_response: Callable[..., Any], /
    ) -> Iterable[bytes]: ...


def run(
    load: Callable[[], Site], *, listener: socket.socket, lifeline: socket.socket, threads: int
) -> None:
    """Serve what `load` returns until SIGTERM, or until the supervisor is gone.

    Requests that were begun are finished within STOP_WITHIN_S.
    """
    uvloop.run(_serve(load, listener, lifeline, threads))
    closing = threading.Thread(target=current_intake().close, daemon=True)
    closing.start()
    closing.join(CLOSE_WITHIN_S)
    # A thread that waits for a database must not keep the process. Its request was not answered,
    # so nothing is lost.
    os._exit(0)


async def _serve(
    load: Callable[[], Site], listener: socket.socket, lifeline: socket.socket, threads: int
) -> None:
    site = load()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def read_lifeline() -> None:
        if lifeline.recv(16):
            health.announce_stop()
        else:
            stop.set()  # The supervisor is gone.

    loop.add_reader(lifeline, read_lifeline)
    dispatcher = Dispatcher(
        site,
        refuse=site.refuse,
        inline_paths=_inline_paths(),
        file_prefixes=(settings.STATIC_URL, DOCS_PREFIX),
        threads=threads,
        max_upload_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        group_commit=_group_commit(),
        keep_alive_s=settings.KEEP_ALIVE_S,
        max_connections=min(max(1, _raise_file_limit() - RESERVED_FILES), MAX_CONNECTIONS),
    )
    # The objects of the start stay, so the garbage collector need not look at them again.
    gc.collect()
    gc.freeze()
    acceptor = Acceptor(listener, dispatcher)
    counting = asyncio.create_task(_publish_numbers())
    lifeline.send(b"ready")
    await stop.wait()
    loop.remove_reader(lifeline)  # Its end stays readable: the loop would spin.
    await acceptor.close()
    await dispatcher.stop(within_s=STOP_WITHIN_S)
    counting.cancel()
    counters.publish_accepted()
    refusals.publish(at_once=True)


async def _publish_numbers() -> None:
    """Publish the numbers of this process: another one may be asked for /metrics."""
    while True:
        await asyncio.sleep(counters.PUBLISH_EVERY_S)
        counters.publish_accepted()
        refusals.publish()


def _inline_paths() -> frozenset[str]:
    """Return the paths for which the application waits for nothing outside this process."""
    return frozenset({"/livez", "/items", "/items/"} if _group_commit() else {"/livez"})


def _group_commit() -> Literal["inline", "thread"] | None:
    """Return where to wait for a group of adds. None: each add waits alone, on its own thread.

    The toolbar sees the statements of one thread only.
    """
    if settings.USES_TOOLBAR or not settings.SERVES_STOREFRONT:
        return None
    return "thread" if current_intake().blocks else "inline"


def _raise_file_limit() -> int:
    """Raise the limit of open files, and return it. Each connection is one file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports "unlimited", but refuses a soft limit above this (OPEN_MAX).
    wanted = min(hard, _MACOS_OPEN_MAX) if sys.platform == "darwin" else hard
    if soft != wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
