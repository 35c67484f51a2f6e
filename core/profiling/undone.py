"""A place to profile in that leaves nothing behind."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.backends.signals import connection_created

from core.profiling import replaced
from tracker import intake

Undo = Callable[[], None]


class Place(NamedTuple):
    """Where to profile. `undo` has to be called after each request; `log` is what went wrong."""

    directory: Path
    undo: Undo
    log: list[str]


def kept() -> str:
    """What `nothing_kept` did, in a sentence."""
    if connection.vendor == "sqlite":
        return "Nothing is kept: journal and database were new ones in a temporary directory."
    return (
        "Nothing is kept: the journal was in a temporary directory, and every statement in a"
        " transaction that was rolled back. A commit's time is in no figure."
    )


@contextmanager
def nothing_kept() -> Iterator[Place]:
    """Gives a place of which nothing is left afterwards.

    Its files are in a directory of VAR_DIR, on the disk that a journal is on as a rule; who kills
    the process finds it there, and nothing elsewhere. Raises django.db.Error and OSError.
    """
    with TemporaryDirectory(prefix="profile-", dir=settings.VAR_DIR) as name:
        directory = Path(name)
        with (
            _as_in_production(directory),
            _silent_log() as log,
            _database(directory) as undo,
        ):
            yield Place(directory, undo, log)


@contextmanager
def _as_in_production(directory: Path) -> Iterator[None]:
    """Without DEBUG and its toolbar. The files that refusals are counted in go to `directory`."""
    layers = [name for name in settings.MIDDLEWARE if "toolbar" not in name]
    with replaced(settings, DEBUG=False, USES_TOOLBAR=False, MIDDLEWARE=layers, VAR_DIR=directory):
        yield


class _Reasons(logging.Handler):
    """Keeps what the log has to say, from warnings on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info and record.exc_info[1]
        self.lines.append(repr(cause) if cause else record.getMessage())


@contextmanager
def _silent_log() -> Iterator[list[str]]:
    """Log lines are written as ever, but to nowhere: a thousand refusals would be a thousand lines.

    Gives the list that fills up with the warnings and errors.
    """
    root, reasons = logging.getLogger(), _Reasons()
    handlers = [each for each in root.handlers if isinstance(each, logging.StreamHandler)]
    with Path(os.devnull).open("w") as nowhere:
        before = [each.setStream(nowhere) for each in handlers]
        root.addHandler(reasons)
        try:
            yield reasons.lines
        finally:
            root.removeHandler(reasons)
            for each, stream in zip(handlers, before, strict=True):
                each.setStream(stream)


@contextmanager
def accepting(url: str, directory: Path) -> Iterator[None]:
    """This process's intake is that of the URL; a journal is a new one below the directory."""
    parts = urlsplit(url)
    if parts.scheme == "journal":
        url = f"journal://{mkdtemp(prefix='journal-', dir=directory)}?{parts.query}"
    with replaced(settings, INTAKE_URL=url):
        intake.current.cache_clear()
        try:
            current = intake.current()
            yield
            current.close()
        finally:
            intake.current.cache_clear()


@contextmanager
def _database(directory: Path) -> Iterator[Undo]:
    """Gives what undoes what a request did to the database.

    On SQLite that is a new one in `directory`, migrated, with real commits. On PostgreSQL it is the
    real one, with its size and its locks; all that is sent to it stands in a transaction that is
    rolled back, so that nothing is ever committed, and a process that is killed leaves nothing.
    """
    connection.close()
    new_or_real = _new_file if connection.vendor == "sqlite" else _rolled_back
    try:
        with new_or_real(directory) as undo:
            yield undo
    finally:
        connection.close()


@contextmanager
def _new_file(directory: Path) -> Iterator[Undo]:
    before = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = str(directory / "profile.sqlite3")
    try:
        call_command("migrate", verbosity=0, interactive=False)
        yield lambda: None
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


@contextmanager
def _rolled_back(directory: Path) -> Iterator[Undo]:
    """Django does not know of the transaction, and sends what it sends without one: no savepoints.

    Every connection begins with it, also one that takes the place of another; and who asks for a
    transaction (`atomic`) gets this one.
    """

    def begin(**kwargs: object) -> None:
        _send("BEGIN")

    def undo() -> None:
        if connection.connection is not None:
            _send("ROLLBACK; BEGIN")

    autocommit = connection._set_autocommit  # type: ignore[attr-defined]  # noqa: SLF001
    ours = replaced(
        connection,
        # Or psycopg2 would begin a transaction of its own, and commit it with ours.
        _set_autocommit=lambda _: autocommit(True),
        _rollback=undo,
    )
    connection_created.connect(begin)
    try:
        with ours:
            yield undo
    finally:
        connection_created.disconnect(begin)


def _send(sql: str) -> None:
    """Past Django's cursors, so that it is not taken for the request's."""
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute(sql)
