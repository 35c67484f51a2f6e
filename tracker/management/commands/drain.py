"""The command `manage.py drain`."""

import os
import signal
import socket
import threading
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from tracker.intake.drain import Drain
from tracker.intake.selection import intake_from_url

STOP_WITHIN_S = 4


class Command(BaseCommand):
    help = "Move accepted adds from the intake into the database, until SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="until the intake is empty, then exit with 0"
        )
        parser.add_argument("--lifeline-fd", type=int, help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        source = intake_from_url(settings.SERVED_INTAKE_URL).source()
        if source is None:
            self.stdout.write("Nothing to drain: INTAKE_URL=database:// writes the rows itself.")
            return
        stop = threading.Event()
        _stop_at_byte_of(_signals(), stop)
        if options["lifeline_fd"] is not None:
            lifeline = socket.socket(fileno=options["lifeline_fd"])
            _stop_at_end_of(lifeline, stop)
            lifeline.send(b"ready")
        drain = Drain(source, stop)
        if options["once"]:
            drained = drain.run_until_empty()
            self.stdout.write(f"{drained} records became rows.")
        else:
            drain.run()
        source.close()


def _stop_soon(stop: threading.Event) -> None:
    """Stop after the current batch, or without it if the database does not let it end in time.

    Nothing is lost: records that are not acknowledged are read again.
    """
    stop.set()
    timer = threading.Timer(STOP_WITHIN_S, os._exit, [0])
    timer.daemon = True
    timer.start()


def _stop_at_byte_of(signals: socket.socket, stop: threading.Event) -> None:
    """Stop when a signal arrives.

    A thread waits for it, because the main thread may be inside the database's driver, where Python
    runs no signal handlers.
    """
    _stop_after(lambda: signals.recv(1), stop)


def _stop_at_end_of(lifeline: socket.socket, stop: threading.Event) -> None:
    """Stop when the supervisor is gone. What it sends is for workers."""

    def read_to_the_end() -> None:
        while lifeline.recv(16):
            pass

    _stop_after(read_to_the_end, stop)


def _stop_after(wait: Callable[[], object], stop: threading.Event) -> None:
    def wait_and_stop() -> None:
        wait()
        _stop_soon(stop)

    threading.Thread(target=wait_and_stop, name="end", daemon=True).start()


def _signals() -> socket.socket:
    """Return a socket on which a byte arrives at SIGTERM and SIGINT."""
    arrived, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.detach())
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: None)
    return arrived
