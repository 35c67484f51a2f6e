"""The command `manage.py doctor`."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from tracker.intake.contract import Unavailable
from tracker.intake.selection import intake_from_url
from tracker.rows.errors import first_line

MAX_CLOCK_SKEW_S = 1.0


class Command(BaseCommand):
    help = "Check the configuration against the running parts, and say what is wrong."

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = 0
        for name, check in _checks():
            finding = _finding(check)
            wrong += finding is not None
            self.stdout.write(f"{'ok   ' if finding is None else 'WRONG'}  {name}")
            if finding:
                self.stdout.write(f"       {finding}")
        if wrong:
            sys.exit(1)


class CheckError(Exception):
    """Something is wrong. The text says what, and what to do."""


def _finding(check: Callable[[], None]) -> str | None:
    """Run a check. Return what is wrong, or None."""
    try:
        check()
    except CheckError as error:
        return str(error)
    except Error as error:
        connection.close()
        return first_line(error)
    return None


def _checks() -> Iterator[tuple[str, Callable[[], None]]]:
    # A storefront without a drain has no database, and the check must not create one.
    if settings.SERVES_CONSOLE or settings.DATABASE_IS_GIVEN:
        yield "the database answers", _database_answers
        yield "the database is migrated", _database_is_migrated
        yield "the database's clock agrees with this machine's", _clocks_agree
    yield (
        f"the intake can accept an add ({urlsplit(settings.SERVED_INTAKE_URL).scheme}://)",
        _intake,
    )
    yield "the intake keeps what it accepts", _promise_is_kept
    yield "what was accepted is being drained", _is_drained
    yield "this machine's disk has free space", _disk_has_free_space


def _database_answers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _database_is_migrated() -> None:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise CheckError(f"{len(missing)} migrations are missing: run `manage.py migrate`.")


def _clocks_agree() -> None:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        skew_s = float(cursor.fetchone()[0]) - time.time()
    if abs(skew_s) > MAX_CLOCK_SKEW_S:
        raise CheckError(
            f"It is {skew_s:+.1f} s off. Versions from two clocks are compared when the intake is"
            " changed: synchronise both machines (NTP)."
        )


def _intake() -> None:
    try:
        intake_from_url(settings.SERVED_INTAKE_URL).check()
    except (Unavailable, ImproperlyConfigured) as error:
        raise CheckError(str(error)) from None


def _promise_is_kept() -> None:
    if warnings := intake_from_url(settings.SERVED_INTAKE_URL).warnings():
        raise CheckError(" ".join(warnings))


def _is_drained() -> None:
    source = intake_from_url(settings.SERVED_INTAKE_URL).source()
    if source is None:
        return
    try:
        backlog = source.backlog()
    except Unavailable as error:
        raise CheckError(str(error)) from None
    finally:
        source.close()
    if backlog.oldest_age_s > 60:
        waiting = f"{backlog.records:,} records" if backlog.records else f"{backlog.bytes:,} bytes"
        raise CheckError(
            f"{waiting} wait, the oldest for {backlog.oldest_age_s:.0f} s:"
            " is `manage.py drain` running, and what does its log say?"
        )


def _disk_has_free_space() -> None:
    if shutil.disk_usage(settings.VAR_DIR).free < 256 << 20:
        raise CheckError(f"Less than 256 MB are free below {settings.VAR_DIR}.")
