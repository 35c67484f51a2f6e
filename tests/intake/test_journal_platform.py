"""The journal without what only Linux has: as on macOS, tried by taking the names away."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import ROOT
from tracker.intake.journal import versions

# Linux has no F_FULLFSYNC, so the call is recorded instead of made; all others go through.
PRELUDE = """
import fcntl, json, os, sys
for name in ("fdatasync", "posix_fallocate", "posix_fadvise"):
    delattr(os, name)
for name in [each for each in dir(fcntl) if each.startswith("F_OFD_")]:
    delattr(fcntl, name)
fcntl.F_FULLFSYNC = -51
real, full_syncs, refusal = fcntl.fcntl, [], int(os.environ.get("REFUSAL", "0"))

def recorded(file, command, *args):
    if command != fcntl.F_FULLFSYNC:
        return real(file, command, *args)
    full_syncs.append(file)
    if refusal:
        raise OSError(refusal, "refused")

fcntl.fcntl = recorded
import django; django.setup()
from uuid import UUID
from tracker.adds import Add
from tracker.intake.contract import Unavailable
from tracker.intake.selection import current_intake
journal = current_intake()

def add(*products):
    journal.accept(*(Add(UUID(int=1), product) for product in products))

def waiting():
    source = journal.source()
    batch = source.read(1000)
    source.close()
    return [record.add.product_id for record in batch.records] if batch else []
"""


def run(directory: Path, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {"DJANGO_SETTINGS_MODULE": "core.settings", "REFUSAL": "0"}
    url = f"journal://{directory}?sync=always&min_free_mb=1"
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        cwd=ROOT,
        env={**os.environ, **given, "INTAKE_URL": url, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def answer(directory: Path, code: str, **env: str) -> Any:
    """Return what the code prints, as JSON."""
    result = run(directory, code, **env)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_what_was_accepted_survives_a_kill_and_is_read_by_another(tmp_path: Path) -> None:
    """R32: with F_FULLFSYNC in the place of fdatasync."""
    killed = run(tmp_path, "add('a'); add('b'); os.kill(os.getpid(), 9)")
    assert killed.returncode == -signal.SIGKILL
    (segment,) = tmp_path.glob("*.log")
    with segment.open("ab") as file:
        file.write(b"torn")
    code = "add('c'); print(json.dumps([waiting(), len(full_syncs)]))"
    assert answer(tmp_path, code) == [["a", "b", "c"], 1]


def test_writers_at_the_same_time_have_slots_of_their_own(tmp_path: Path) -> None:
    code = (
        "add('a')\n"
        "child = os.fork()\n"
        "add('child' if not child else 'parent')\n"
        "os.waitpid(child, 0) if child else os._exit(0)\n"
        "from tracker.intake.journal.versions import taken_slots\n"
        "print(json.dumps([sorted(taken_slots(journal.directory)), waiting()]))"
    )
    taken, found = answer(tmp_path, code)
    assert taken == [0]  # The child's was free again at its end.
    assert sorted(found) == ["a", "child", "parent"]
    assert len(list(tmp_path.glob("*.log"))) == 2


@pytest.mark.parametrize(("error", "accepts"), [("45", False), ("22", True), ("5", False)])
def test_a_file_system_without_a_full_sync_gets_a_plain_one(
    tmp_path: Path, error: str, accepts: bool
) -> None:
    """EINVAL means that it is not supported; EIO and all others, that the disk refused."""
    code = (
        "try:\n    add('a'); accepted = True\n"
        "except Unavailable:\n    accepted = False\n"
        "print(json.dumps(accepted))"
    )
    assert answer(tmp_path, code, REFUSAL=error) is accepts


def test_a_file_of_versions_that_was_cut_off_is_completed(tmp_path: Path) -> None:
    """A process may have died, or the disk been full, while the file was made."""
    clock = versions.VersionClock(tmp_path)
    first = clock.next()
    clock.close()
    os.truncate(tmp_path / "versions", 100)
    clock = versions.VersionClock(tmp_path)
    assert clock.next() > first
    clock.close()
    assert (tmp_path / "versions").stat().st_size == versions.SLOTS * 8
