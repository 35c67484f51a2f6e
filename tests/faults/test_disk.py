"""Disks that fill up: the journal's, and PostgreSQL's."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from tests.support.live import ROOT, Server, wait_for
from tests.support.load import FULL_LENGTH, Load, wait_until_kept
from tests.support.parts import count, drain_process, durable_postgres, new_shop, workers
from tracker.adds import Add
from tracker.intake.contract import Unavailable
from tracker.intake.journal.intake import JournalIntake
from tracker.intake.journal.segments import segments
from tracker.intake.record import load as load_record

Serve = Callable[..., Server]
pytestmark = pytest.mark.postgresql


@pytest.fixture
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of 4 MB, or of as many as the test says. Ask for it before `serve`."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small tmpfs; in CI this counts as a failure")
    directory = Path(tempfile.mkdtemp(prefix="cart-tracker-disk-"))
    size = f"size={getattr(request, 'param', 4)}m,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)
    directory.rmdir()


@contextmanager
def filled(disk: Path, *, but_for_kb: int = 0) -> Iterator[None]:
    """Meanwhile, a file takes all the room that there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while shutil.disk_usage(disk).free > but_for_kb << 10:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


def require_whole(directory: Path) -> None:
    """No half record anywhere: neither at an end, nor with another one behind it."""
    for segment in segments(directory):
        for line in segment.path.read_bytes().splitlines(keepends=True):
            assert line.endswith(b"\n")
            load_record(line)


def test_a_disk_that_is_full_in_the_middle_of_a_record_loses_nothing(
    small_disk: Path, serve: Serve
) -> None:
    """R32: 503, nothing torn, and no help needed once there is room."""
    url, journal = new_shop("full_journal"), f"journal://{small_disk}/journal?min_free_mb=1"
    server = serve("--workers", "2", "--no-drain", DATABASE_URL=url, INTAKE_URL=journal)
    with Load(server) as load:
        for _ in range(20 if FULL_LENGTH else 5):
            load.accept(100)
            with filled(small_disk):
                load.be_refused(50)
    assert load.failures.keys() == {"503"}
    assert "bytes could be written" in server.printed()  # Not the limit alone has refused.
    require_whole(small_disk / "journal")
    with drain_process(url, journal):
        wait_until_kept(load, url)


def test_a_journal_that_fills_its_disk_has_room_again_once_it_is_drained(
    small_disk: Path, serve: Serve
) -> None:
    """R32: also if most of it stands in the segments that the workers are writing to."""
    url, journal = new_shop("drained_disk"), f"journal://{small_disk}/journal?min_free_mb=1"
    server = serve("--workers", "2", "--no-drain", DATABASE_URL=url, INTAKE_URL=journal)
    with filled(small_disk, but_for_kb=1200), Load(server) as load:
        load.be_refused(50)
        assert "less than 1 MB are free" in server.printed()
        with drain_process(url, journal):
            load.accept(3000)  # Twice as many as there was room for.
    with drain_process(url, journal):
        wait_until_kept(load, url)


def test_a_limit_on_files_is_survived_as_a_full_disk_is(serve: Serve, tmp_path: Path) -> None:
    """R32: the kernel's short writes, where nothing can be mounted."""
    url, journal = new_shop("file_limit"), f"journal://{tmp_path}/journal"
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=journal)
    with Load(server) as load:
        load.accept(100)
        for worker in workers(server):
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (10_000, -1))
        load.be_refused(50)
        for worker in workers(server):
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (-1, -1))
        load.accept(100)
    assert load.failures.keys() == {"503"}
    wait_until_kept(load, url)
    require_whole(tmp_path / "journal")


def test_a_writer_that_begins_on_a_full_disk_refuses_and_leaves_nothing_open(
    small_disk: Path,
) -> None:
    """R32"""
    url = urlsplit(f"journal://{small_disk}/journal?min_free_mb=1")
    add, open_files = Add(UUID(int=1), "sku"), Path("/proc/self/fd")
    with closing(JournalIntake(url)) as journal:
        with filled(small_disk):
            before = len(list(open_files.iterdir()))
            for _ in range(20):
                with pytest.raises(Unavailable):
                    journal.accept(add)
            assert len(list(open_files.iterdir())) == before
        journal.accept(add)


def test_a_writer_whose_disk_fills_up_before_its_first_version_lives(small_disk: Path) -> None:
    """R22: the file with the versions is mapped, and no write to a map can be refused."""
    code = (
        "import django; django.setup()\n"
        "from pathlib import Path; from tracker.intake.journal.versions import VersionClock\n"
        f"clock = VersionClock(Path('{small_disk}'))\n"
        "input('ready\\n')\n"
        "clock.next()\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-uc", code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "core.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout
        assert writer.stdout.readline() == b"ready\n"
        with filled(small_disk):
            writer.communicate(b"go on\n")
    assert writer.returncode == 0


@pytest.fixture
def small_database(small_disk: Path) -> Iterator[str]:
    """A database whose tables are on the small disk, the server's log of writes elsewhere."""
    postgres, space = durable_postgres(), small_disk / "tables"
    space.mkdir()
    if os.geteuid() == 0:
        shutil.chown(space, "nobody")
    postgres.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
    yield new_shop("full_disk", tablespace="small")
    postgres.execute("DROP DATABASE full_disk WITH (FORCE)")
    postgres.execute("DROP TABLESPACE small")


@pytest.mark.parametrize("small_disk", [32], indirect=True)
def test_a_database_with_a_full_disk_makes_no_dead_letters(
    small_disk: Path, small_database: str, serve: Serve, tmp_path: Path
) -> None:
    """SQLSTATE 53100."""
    intake_url = f"journal://{tmp_path}/journal"
    server = serve("--workers", "2", DATABASE_URL=small_database, INTAKE_URL=intake_url)
    with Load(server, pause_s=0.002) as load:
        load.accept(200)
        with filled(small_disk):
            wait_for(lambda: server.printed().count("No space left on device") >= 3)
            load.accept(500)
    wait_until_kept(load, small_database)
    assert not load.failures
    assert count(small_database, "tracker_deadletter") == 0
