"""The command `manage.py serve`."""

import os
import shutil
import socket
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from core.server import supervisor, worker
from tracker.intake.contract import Unavailable
from tracker.intake.selection import intake_from_url
from tracker.operations import refusals


class Command(BaseCommand):
    help = "Serve the application: POST /items, the console, or both. SIGTERM stops it gracefully."
    requires_system_checks = ["__all__"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--role", choices=["all", "storefront", "console"])
        parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1")
        parser.add_argument("--port", type=_port, default=8000, help="default: 8000")
        parser.add_argument("--workers", type=_count, default=1, help="processes; default: 1")
        parser.add_argument(
            "--threads",
            type=_count,
            default=8,
            help="per worker, for what waits; as many connections to the database; default: 8",
        )
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="first migrate the database and, on a loopback address, make a first account",
        )
        parser.add_argument(
            "--drains",
            type=_count,
            default=1,
            help="processes that move adds into the database; two catch up twice as fast as one, on"
            " as many cores; default: 1",
        )
        parser.add_argument(
            "--no-drain", action="store_true", help="leave the draining to `manage.py drain`"
        )
        parser.add_argument("--listener-fd", type=int, help=SUPPRESS)
        parser.add_argument("--lifeline-fd", type=int, help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["listener_fd"] is not None:
            worker.run(
                listener=socket.socket(fileno=options["listener_fd"]),
                lifeline=socket.socket(fileno=options["lifeline_fd"]),
                threads=options["threads"],
            )
        else:
            self._supervise(options)

    def _supervise(self, options: dict[str, Any]) -> None:
        host, port = options["host"], options["port"]
        try:
            listener = supervisor.listen(host, port)
        except OSError as error:
            raise CommandError(
                f"Can't listen on {host}:{port}: {os.strerror(error.errno or 0)}."
            ) from None
        port = listener.getsockname()[1]
        # The workers read their settings from the environment, these from us.
        os.environ["ROLE"] = options["role"] or settings.ROLE
        os.environ["INTAKE_URL"] = settings.SERVED_INTAKE_URL
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = _empty_directory(settings.VAR_DIR / "metrics")
        _empty_directory(refusals.directory())
        if options["prepare"]:
            self._prepare(first_account=ip_address(listener.getsockname()[0]).is_loopback)
        self._check_intake()
        group = supervisor.Supervisor(
            _names(options), partial(_command, options["threads"], listener.fileno()), listener
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


def _empty_directory(path: Path) -> str:
    """Empty a directory for this run: the numbers of earlier processes would be added up."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(exist_ok=True)  # Another `serve` may have written a file meanwhile.
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


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 65535:
        raise ArgumentTypeError(f"{text!r} is no port: use 0 to 65535 (0 takes a free one)")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise ArgumentTypeError(f"{text!r} must be a whole number from 1 to 256")
    return int(text)
