"""manage.py doctor: compares the configuration with the parts as they run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest

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


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str]) -> str:
    return new_database()


def test_all_is_well(database: str, tmp_path: Path) -> None:
    result = doctor(DATABASE_URL=database, INTAKE_URL=f"journal://{tmp_path}/journal")
    assert result.returncode == 0, result.stdout
    assert "WRONG" not in result.stdout


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


def test_a_journal_in_memory(database: str) -> None:
    with TemporaryDirectory(dir="/dev/shm") as memory:
        result = doctor(DATABASE_URL=database, INTAKE_URL=f"journal://{memory}")
    assert "in memory" in result.stdout


def test_a_journal_without_room(database: str, tmp_path: Path) -> None:
    url = f"journal://{tmp_path}/journal?min_free_mb=99999999"
    assert "MB are free" in doctor(DATABASE_URL=database, INTAKE_URL=url).stdout


def test_a_backlog_that_nobody_drains(database: str, tmp_path: Path) -> None:
    clock = VersionClock(tmp_path)
    old = clock.next() - 300 * 10**9
    segment_path(tmp_path, old, clock.slot).write_bytes(dump(Add(UUID(int=1), "sku"), old))
    clock.close()
    result = doctor(DATABASE_URL=database, INTAKE_URL=f"journal://{tmp_path}")
    assert "manage.py drain" in result.stdout
