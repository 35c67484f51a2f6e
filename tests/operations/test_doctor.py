"""manage.py doctor: compares the configuration with the parts as they run."""

import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command

from tests.support.live import ROOT
from tracker.adds import Add
from tracker.intake.journal.segments import segment_path
from tracker.intake.journal.versions import VersionClock
from tracker.intake.record import dump


def doctor(**env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "doctor"]
    environment = {**os.environ, **env}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def look(db: None, settings: Any) -> Callable[[str], tuple[int, str]]:
    """Runs it in this process with another INTAKE_URL; returns its exit code and what it prints."""

    def run(intake_url: str) -> tuple[int, str]:
        settings.SERVED_INTAKE_URL = intake_url
        printed = StringIO()
        try:
            call_command("doctor", stdout=printed)
        except SystemExit as stopped:
            return int(str(stopped.code)), printed.getvalue()
        return 0, printed.getvalue()

    return run


Look = Callable[[str], tuple[int, str]]


def test_all_is_well(look: Look, tmp_path: Path) -> None:
    code, printed = look(f"journal://{tmp_path}/journal")
    assert (code, "WRONG" in printed) == (0, False), printed


def test_a_database_that_is_not_migrated(tmp_path: Path) -> None:
    result = doctor(DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert result.returncode == 1
    assert "manage.py migrate" in result.stdout


def test_a_database_that_is_away() -> None:
    result = doctor(DATABASE_URL="postgres://nobody@127.0.0.1:1/nowhere")
    assert result.returncode == 1
    assert "Connection refused" in result.stdout
    assert "Traceback" not in result.stderr


def test_a_storefront_without_a_database_gets_none(tmp_path: Path) -> None:
    """Nor a file for a key: it signs nothing."""
    var = tmp_path / "var"
    env = {"DATABASE_URL": "", "VAR_DIR": str(var), "INTAKE_URL": f"journal://{tmp_path}/journal"}
    result = doctor(ROLE="storefront", **env)
    assert (result.returncode, "database" in result.stdout) == (0, False), result.stdout
    assert [path.name for path in var.iterdir()] == ["static"]


def test_a_journal_in_memory(look: Look) -> None:
    with TemporaryDirectory(dir="/dev/shm") as memory:
        code, printed = look(f"journal://{memory}")
    assert (code, "in memory" in printed) == (1, True)


def test_a_journal_without_room(look: Look, tmp_path: Path) -> None:
    code, printed = look(f"journal://{tmp_path}/journal?min_free_mb=99999999")
    assert (code, "MB are free" in printed) == (1, True)


def test_a_backlog_that_nobody_drains(look: Look, tmp_path: Path) -> None:
    clock = VersionClock(tmp_path)
    old = clock.next() - 300 * 10**9
    segment_path(tmp_path, old, clock.slot).write_bytes(dump(Add(UUID(int=1), "sku"), old))
    clock.close()
    code, printed = look(f"journal://{tmp_path}")
    assert (code, "manage.py drain" in printed) == (1, True)
