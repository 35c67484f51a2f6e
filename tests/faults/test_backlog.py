"""Large backlogs, records that no database takes, and databases that can't take any now."""

import random
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.support.live import Server, wait_for
from tests.support.load import FULL_LENGTH, Load, fill_journal, fill_stream, say, wait_until_kept
from tests.support.parts import count, drain_process, durable_postgres, new_shop, peak_memory_mb
from tests.support.stored import stored
from tests.support.valkey import Valkey
from tracker.intake.journal.segments import segments

Serve = Callable[..., Server]
Trouble = Callable[[str], AbstractContextManager[None]]
pytestmark = pytest.mark.postgresql
pytest_plugins = ["tests.support.streams"]


@contextmanager
def out_of_connections(database: str) -> Iterator[None]:
    """SQLSTATE 53300."""
    postgres = durable_postgres()
    postgres.execute("ALTER ROLE shop CONNECTION LIMIT 0")
    hang_up(database)
    yield
    postgres.execute("ALTER ROLE shop CONNECTION LIMIT -1")


@contextmanager
def read_only(database: str) -> Iterator[None]:
    """SQLSTATE 25006, as on a standby."""
    postgres = durable_postgres()
    postgres.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    hang_up(database)
    yield
    postgres.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")


def hang_up(database: str) -> None:
    durable_postgres().execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )


@pytest.mark.parametrize("trouble", [out_of_connections, read_only])
def test_a_database_that_takes_nothing_now_makes_no_dead_letters(
    trouble: Trouble, serve: Serve, tmp_path: Path
) -> None:
    """R32: nor does any request fail; afterwards all is drained."""
    url = new_shop(trouble.__name__)
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=f"journal://{tmp_path}/journal")
    with Load(server, pause_s=0.002) as load:
        load.accept(200)
        with trouble(trouble.__name__):
            wait_for(lambda: server.printed().count("waiting: ") >= 3)
            load.accept(500)
    wait_until_kept(load, url)
    assert not load.failures
    assert count(url, "tracker_deadletter") == 0


@pytest.mark.timeout(240)
def test_bad_records_are_buried_and_all_others_merged(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """1,000 among 50,000, at full length; a second delivery of everything changes nothing."""
    url, journal = new_shop("bad_records"), f"journal://{tmp_path}/journal"
    total, bad_ones = (50_000, 1000) if FULL_LENGTH else (2000, 50)
    bad = set(random.Random(1).sample(range(total), bad_ones))
    expected = fill_journal(journal, total, bad=bad)
    again = {each.path: each.path.read_bytes() for each in segments(tmp_path / "journal")}
    began = monotonic()
    drain_once(url, journal)
    took_s = monotonic() - began
    assert (stored(url), count(url, "tracker_deadletter")) == (expected, bad_ones)
    for path, content in again.items():
        path.write_bytes(content)
    drain_once(url, journal)
    assert (stored(url), count(url, "tracker_deadletter")) == (expected, bad_ones)
    say(request, f"{bad_ones} bad records among {total}: {took_s:.1f} s")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["journal", pytest.param("valkey", marks=pytest.mark.slow)])
def test_a_large_backlog_is_drained_in_little_memory(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """1,000,000 records, at full length, with flat memory under 150 MB."""
    total = 1_000_000 if FULL_LENGTH else 30_000
    url, intake_url = new_shop(f"large_backlog_{kind}"), f"journal://{tmp_path}/journal"
    if kind == "journal":
        fill_journal(intake_url, total)
    else:
        valkey: Valkey = request.getfixturevalue("valkey")
        intake_url = valkey.url()
        fill_stream(valkey, total)
    began = monotonic()
    with drain_process(url, intake_url, "--once") as drain:
        peak_mb = peak_memory_mb(drain)
        assert drain.returncode == 0
    rate = f"{total / (monotonic() - began):,.0f} a second"
    say(request, f"{kind}: {total} records drained at {rate}, with {peak_mb:.0f} MB at most")
    assert peak_mb < 150
    assert count(url, "tracker_item") == total


def test_a_backlog_in_many_small_segments_needs_few_open_files(tmp_path: Path) -> None:
    """As little traffic leaves them during a long outage: one segment for every half minute."""
    url, journal = new_shop("small_segments"), f"journal://{tmp_path}/journal"
    expected = fill_journal(journal, 300, per_segment=1)
    assert len(segments(tmp_path / "journal")) == 300
    drain_once(url, journal, max_files=128)
    assert stored(url) == expected


def drain_once(url: str, journal: str, *, max_files: int = 1024) -> None:
    with drain_process(url, journal, "--once") as drain:
        resource.prlimit(drain.pid, resource.RLIMIT_NOFILE, (max_files, max_files))
        said, _ = drain.communicate(timeout=200)
    assert drain.returncode == 0, said[-2000:]
