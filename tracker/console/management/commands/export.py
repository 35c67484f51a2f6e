"""The command `manage.py export`."""

import os
import pwd
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.http import HttpRequest, QueryDict
from tqdm import tqdm

from tracker.console.export.page import SHEETS, Export, Selection, select
from tracker.console.frame import audit
from tracker.console.models import AuditEntry
from tracker.rows.errors import first_line


class Command(BaseCommand):
    help = (
        "Write carts or items as CSV: all, or what a search and filters of the console select."
        " Until FILE is complete, its name is FILE.part."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=list(SHEETS), help="what to export")
        parser.add_argument(
            "--query",
            default="",
            help="the part of the list's address after the ?: 'state=stale&q=sku-1'",
        )
        parser.add_argument(
            "--output", default="-", metavar="FILE", help="default: -, standard output"
        )
        parser.add_argument(
            "--force", action="store_true", help="overwrite FILE and FILE.part if they exist"
        )
        parser.add_argument(
            "--operator",
            default=_login_name(),
            help="who exports, for the audit log; default: %(default)s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        operator = options["operator"]
        try:
            selection = _selection(options["name"], options["query"])

            def record(detail: str) -> None:
                action, cart_id = AuditEntry.Action.EXPORTED, selection.cart_id
                audit.write(operator, action, cart_id=cart_id, detail=f"manage.py, {detail}")

            with _opened(options["output"], force=options["force"]) as file:
                _write(Export(selection, record), file)
        except Error as error:
            raise CommandError(f"The database can't be used: {first_line(error)}") from error
        except OSError as error:
            raise CommandError(f"Can't write {options['output']}: {error.strerror}.") from error


def _login_name() -> str:
    """Return the operating system's account, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # In a container, an account needs no name.
        return f"uid {os.getuid()}"


def _selection(name: str, query: str) -> Selection:
    request = HttpRequest()
    request.method = "GET"
    try:
        request.GET = QueryDict(query.removeprefix("?"))
        return select(name, request)
    except (BadRequest, SuspiciousOperation) as error:
        raise CommandError(f"--query: {error}") from None


def _write(export: Export, file: BinaryIO) -> None:
    with tqdm(unit=" rows", disable=None) as progress:
        for part in export:
            file.write(part)
            progress.update(export.rows - progress.n)


@contextmanager
def _opened(output: str, *, force: bool) -> Iterator[BinaryIO]:
    """Open the file for writing. It gets its name when all of it is on the disk.

    Raises CommandError if it exists, and OSError.
    """
    if output == "-":
        with open(sys.stdout.fileno(), "wb", closefd=False) as file:
            yield file
        return
    final, part = Path(output), Path(f"{output}.part")
    for path in (final, part):
        if path.exists() and not force:
            raise CommandError(f"{path} exists already. --force overwrites it.")
    with open(part, "wb" if force else "xb", opener=_private) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    part.replace(final)


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner can read, whatever the umask."""
    return os.open(path, flags, 0o600)
