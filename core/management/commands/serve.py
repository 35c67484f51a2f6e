"""The command `manage.py serve`."""

import os
import shutil
import socket
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from core.server import instance, worker
from core.server.listener import listen
from core.server.supervisor import Supervisor
from tracker.intake.contract import Unavailable
from tracker.intake.selection import intake_from_url
from tracker.operations import refusals

# Options that are whole numbers: name, lowest, highest, default, help.
_NUMBERS = (
    ("port", 0, 65_535, 8000, "0 takes a free one; default: 8000"),
    ("workers", 1, 256, 1, "processes that answer requests; default: 1"),
    ("threads", 1, 256, 8, "in a worker, each with a connection to the database; default: 8"),
    ("drains", 1, 256, 1, "processes that move adds into the database; default: 1"),
    ("keep-alive", 1, 3600, None, "seconds without a request; default: KEEP_ALIVE_S"),
    ("stop-delay", 0, 600, 0, "seconds to serve on after SIGTERM, /readyz says 503; default: 0"),
)


class Command(BaseCommand):
    help = "Serve the application: POST /items, the console, or both. SIGTERM stops it gracefully."
    requires_system_checks = ["__all__"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--role", choices=["all", "storefront", "console"])
        parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1")
        for name, lowest, highest, default, text in _NUMBERS:
            parser.add_argument(
                f"--{name}", type=_whole_number(lowest, highest), default=default, help=text
            )
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="first migrate the database and, on a loopback address, make a first account",
        )
        parser.add_argument(
            "--no-drain", action="store_true", help="leave the draining to `manage.py drain`"
        )
        parser.add_argument("--listener-fd", type=int, help=SUPPRESS)
        parser.add_argument("--lifeline-fd", type=int, help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["listener_fd"] is not None:
            worker.run(
                _application,
                listener=socket.socket(fileno=options["listener_fd"]),
                lifeline=socket.socket(fileno=options["lifeline_fd"]),
                threads=options["threads"],
            )
        else:
            self._supervise(options)

    def _supervise(self, options: dict[str, Any]) -> None:
        host, port = options["host"], options["port"]
        _claim(settings.VAR_DIR)
        try:
            listener = listen(host, port)
        except OSError as error:
            raise CommandError(
                f"Can't listen on {host}:{port}: {os.strerror(error.errno or 0)}."
            ) from None
        port = listener.getsockname()[1]
        # The workers read their settings from the environment, these from us.
        os.environ["ROLE"] = options["role"] or settings.ROLE
        os.environ["KEEP_ALIVE_S"] = str(options["keep_alive"] or settings.KEEP_ALIVE_S)
        os.environ["INTAKE_URL"] = settings.SERVED_INTAKE_URL
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = _empty_directory(settings.VAR_DIR / "metrics")
        _empty_directory(refusals.directory())
        if options["prepare"]:
            self._prepare(first_account=ip_address(listener.getsockname()[0]).is_loopback)
        self._check_intake()
        group = Supervisor(
            _names(options),
            partial(_command, options["threads"], listener.fileno()),
            listener,
            on_reload=partial(instance.record_reload, settings.VAR_DIR),
            stop_delay_s=options["stop_delay"],
        )
        sys.exit(group.run(on_ready=lambda: self._print_addresses(host, port)))

    def _check_intake(self) -> None:
        """Stop the start if the intake may lose adds. If it is only away, continue."""
        try:
            intake_from_url(settings.SERVED_INTAKE_URL).check()
        except Unavailable as error:
            self.stderr.write(f"The intake is not available yet: {error}")

    def _prepare(self, *, first_account: bool) -> None:
        """Prepare a fresh clone. A password is printed only where nobody else can log in."""
        call_command("migrate", verbosity=0, interactive=False)
        if first_account and settings.SERVES_CONSOLE:
            call_command("first_account")
        connections.close_all()

    def _print_addresses(self, host: str, port: int) -> None:
        """Print the addresses to try."""
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        role = os.environ["ROLE"]
        lines = [f"Cart Tracker is ready on {address}  (Ctrl-C stops it)"]
        if role != "console":
            body = '{"product_id": "sku-1", "name": "Blue socks", "price": 1299}'
            json = "-H 'Content-Type: application/json'"
            lines += [f"  try      curl -i {address}/items {json} -d '{body}'"]
            lines += [f"  read     {address}/docs"]
            lines += [f"  shop     {address}/demo/"] if settings.USES_TOOLBAR else []
        if role != "storefront":
            lines += [f"  console  {address}/admin/"]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _application() -> worker.Site:
    from core.wsgi import application  # Sets Django up, so only a worker loads it.

    return application


def _claim(directory: Path) -> None:
    """Claim the directory until this process ends. Raises CommandError."""
    try:
        instance.claim(directory)
    except instance.AlreadyRunningError as error:
        raise CommandError(
            f"Another service (pid {error.pid}) uses {directory}. Give each its own VAR_DIR."
        ) from None


def _empty_directory(path: Path) -> str:
    """Empty a directory for this run: the numbers of earlier processes would be added up."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(exist_ok=True)  # A worker of the last run may have written a file meanwhile.
    return str(path)


def _names(options: dict[str, Any]) -> list[str]:
    """Name the processes to run: workers, and drains if the intake has something to drain."""
    names = [f"worker-{number}" for number in range(1, options["workers"] + 1)]
    drains = os.environ["ROLE"] == "all" and not options["no_drain"]
    if drains and intake_from_url(settings.SERVED_INTAKE_URL).source() is not None:
        names += [f"drain-{number}" for number in range(1, options["drains"] + 1)]
    return names


def _command(threads: int, listener_fd: int, name: str, lifeline_fd: int) -> list[str]:
    """Return the command line of one process."""
    lifeline = f"--lifeline-fd={lifeline_fd}"
    if name.startswith("drain"):
        own = ["drain", lifeline]
    else:
        own = ["serve", lifeline, f"--listener-fd={listener_fd}", f"--threads={threads}"]
    return [sys.executable, sys.argv[0], *own, "--skip-checks"]


def _whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a parser for an option."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            raise ArgumentTypeError(f"{text!r} must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse
