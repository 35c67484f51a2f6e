"""The journal on macOS, tried on Linux: what only Linux has is taken away first."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.support.live import ROOT
from tracker.intake.journal.disk import sync_data
from tracker.intake.journal.versions import SLOTS, VersionClock

# Linux has no F_FULLFSYNC: a call of it is recorded instead of made.
PRELUDE = """
import fcntl, json, os, signal, time
for name in ("fdatasync", "posix_fallocate", "posix_fadvise"):
    delattr(os, name)
for name in [each for each in dir(fcntl) if each.startswith("F_OFD_")]:
    delattr(fcntl, name)
fcntl.F_FULLFSYNC = -51
full_syncs, real = [], fcntl.fcntl

def recorded(file, command, *args):
    return full_syncs.append(file) if command == -51 else real(file, command, *args)

fcntl.fcntl = recorded
import django; django.setup()
from pathlib import Path
from uuid import UUID
from tracker.adds import Add
from tracker.intake.journal import disk
from tracker.intake.selection import current_intake
disk._MOUNTS = Path("/no/such/file")
journal = current_intake()

def add(*products):
    journal.accept(*(Add(UUID(int=1), product) for product in products))

def drained():
    source, found = journal.source(), []
    while batch := source.read(1000):
        found += [record.add.product_id for record in batch.records]
        source.acknowledge(batch)
    source.close()
    return found
"""


def run(directory: Path, code: str, sync: str = "always") -> subprocess.CompletedProcess[str]:
    url = f"journal://{directory}?sync={sync}&interval_ms=1&min_free_mb=1"
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "core.settings", "INTAKE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def printed(directory: Path, code: str, sync: str = "always") -> Any:
    """Return what the code prints, as JSON."""
    result = run(directory, code, sync)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_what_was_accepted_survives_a_kill_and_is_drained_by_another(tmp_path: Path) -> None:
    """R32: also behind a torn record. Finished segments are deleted, the slot is free again."""
    code = "add('a'); add('b'); os.kill(os.getpid(), signal.SIGKILL)"
    assert run(tmp_path, code).returncode == -signal.SIGKILL
    (segment,) = tmp_path.glob("*.log")
    with segment.open("ab") as file:
        file.write(b"torn")
    code = "add('c'); print(json.dumps([drained(), len(full_syncs), journal.warnings()]))"
    assert printed(tmp_path, code) == [["a", "b", "c"], 1, []]
    (left,) = tmp_path.glob("*.log")
    assert left != segment
    assert {path.name for path in tmp_path.glob("slot-*")} == {"slot-00"}


def test_writers_at_the_same_time_have_slots_of_their_own(tmp_path: Path) -> None:
    """Also a forked child and its parent, which share the parent's lock until the child ends."""
    code = (
        "from tracker.intake.journal.versions import is_taken\n"
        "add('a')\n"
        "told, tell = os.pipe()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    add('child')\n"
        "    os.write(tell, b'.')\n"
        "    signal.pause()\n"
        "os.read(told, 1)\n"
        "add('parent')\n"
        "taken = [[is_taken(journal.directory, slot) for slot in range(3)]]\n"
        "os.kill(child, signal.SIGKILL)\n"
        "os.waitpid(child, 0)\n"
        "taken += [[is_taken(journal.directory, slot) for slot in range(3)]]\n"
        "print(json.dumps([*taken, sorted(drained())]))"
    )
    both, one, found = printed(tmp_path, code)
    assert both == [True, True, False]
    assert one == [True, False, False]
    assert found == ["a", "child", "parent"]


def test_a_thread_syncs_with_an_interval(tmp_path: Path) -> None:
    code = "add('a')\nwhile not full_syncs:\n    time.sleep(0.001)\nprint(json.dumps(drained()))"
    assert printed(tmp_path, code, "interval") == ["a"]


@pytest.mark.parametrize(
    ("refusal", "is_unsupported"),
    [
        (errno.EINVAL, True),
        (errno.ENOTSUP, True),
        (errno.ENOTTY, True),
        (errno.EIO, False),
        (errno.ENOSPC, False),
    ],
)
def test_a_file_system_without_a_full_sync_gets_a_plain_one(
    refusal: int, is_unsupported: bool, tmp_path: Path
) -> None:
    """R32: but if the disk has refused, a plain sync would wrongly succeed."""
    with (
        (tmp_path / "segment").open("wb") as file,
        mock.patch.object(fcntl, "F_FULLFSYNC", -51, create=True),
        mock.patch.object(fcntl, "fcntl", side_effect=OSError(refusal, "refused")),
        mock.patch.object(os, "fsync") as plain_sync,
        nullcontext() if is_unsupported else pytest.raises(OSError, match="refused"),
    ):
        sync_data(file.fileno())
    assert plain_sync.call_count == is_unsupported


def test_a_file_of_versions_that_was_cut_off_is_completed(tmp_path: Path) -> None:
    """A process may have died, or the disk been full, while the file was made."""
    clock = VersionClock(tmp_path)
    first = clock.next()
    clock.close()
    os.truncate(tmp_path / "versions", 100)
    clock = VersionClock(tmp_path)
    with mock.patch("time.time_ns", return_value=0):
        assert clock.next() > first
    clock.close()
    assert (tmp_path / "versions").stat().st_size == SLOTS * 8
