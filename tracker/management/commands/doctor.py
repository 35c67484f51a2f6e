"""manage.py doctor"""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from tracker import intake

# File systems on which another machine may hold the file: locks, maps and syncs mean less there.
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"}
MAX_CLOCK_SKEW_S = 1.0


class Command(BaseCommand):
    help = "Compare the configuration with the parts as they run, and say what is wrong."

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = 0
        for name, check in _checks():
            complaint = _complaint(check)
            wrong += complaint is not None
            self.stdout.write(f"{'ok   ' if complaint is None else 'WRONG'}  {name}")
            if complaint:
                self.stdout.write(f"       {complaint}")
        if wrong:
            sys.exit(1)


class Complaint(Exception):
    """Something is wrong; the text says what, and what to do."""


def _complaint(check: Callable[[], None]) -> str | None:
    try:
        check()
    except Complaint as complaint:
        return str(complaint)
    except Error as error:
        connection.close()
        return str(error).strip().partition("\n")[0]
    return None


def _checks() -> Iterator[tuple[str, Callable[[], None]]]:
    yield "the database answers", _database_answers
    yield "the database is migrated", _database_is_migrated
    yield "the database's clock agrees with this machine's", _clocks_agree
    yield (
        f"the intake can accept an add ({urlsplit(settings.SERVED_INTAKE_URL).scheme}://)",
        _intake,
    )
    if urlsplit(settings.SERVED_INTAKE_URL).scheme == "journal":
        yield "the journal is on a local disk", _journal_is_local
    yield "what was accepted is being drained", _is_drained
    yield "this machine's disk has room", _disk_has_room


def _database_answers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _database_is_migrated() -> None:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise Complaint(f"{len(missing)} migrations are missing: run `manage.py migrate`.")


def _clocks_agree() -> None:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        skew_s = float(cursor.fetchone()[0]) - time.time()
    if abs(skew_s) > MAX_CLOCK_SKEW_S:
        raise Complaint(
            f"It is {skew_s:+.1f} s off. Versions from two clocks are compared when the intake is"
            " changed: synchronise both machines (NTP)."
        )


def _intake() -> None:
    try:
        intake.from_url(settings.SERVED_INTAKE_URL).check()
    except intake.Unavailable as error:
        raise Complaint(str(error)) from None


def _journal_is_local() -> None:
    directory = Path(urlsplit(settings.SERVED_INTAKE_URL).path).resolve()
    kind = _file_system(directory)
    if kind in _REMOTE:
        raise Complaint(f"{directory} is on {kind}: use a directory on a disk of this machine.")
    if kind == "tmpfs":
        raise Complaint(f"{directory} is in memory (tmpfs): a restart of the machine loses it.")


def _file_system(path: Path) -> str:
    """The type of the file system that a path is on; the longest mount point wins."""
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, mount_kind, *_ = line.split()
        if path.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, mount_kind
    return kind


def _is_drained() -> None:
    source = intake.from_url(settings.SERVED_INTAKE_URL).source()
    if source is None:
        return
    backlog = source.backlog()
    source.close()
    if backlog.oldest_age_s > 60:
        raise Complaint(
            f"{backlog.bytes:,} bytes wait, the oldest for {backlog.oldest_age_s:.0f} s:"
            " is `manage.py drain` running, and what does its log say?"
        )


def _disk_has_room() -> None:
    if shutil.disk_usage(settings.VAR_DIR).free < 256 << 20:
        raise Complaint(f"Less than 256 MB are free below {settings.VAR_DIR}.")
