"""The journal's promise while its processes die, freeze and reload, under load.

The oracle is the clients' own log of what was answered 200 (tests/load.py). Shorter by default; at
full length with CI set.
"""

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import psycopg2
import pytest

from tests.live import Server, wait_for
from tests.load import FULL_LENGTH, Load, fill_journal, say, wait_until_kept
from tests.parts import (
    count,
    drain_process,
    drains,
    durable_postgres,
    kill,
    kill_postgres,
    new_shop,
    workers,
)
from tests.test_database_intake import stored
from tracker.intake.segments import segments

Serve = Callable[..., Server]
pytestmark = pytest.mark.postgresql


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return f"journal://{tmp_path}/journal"


def wait_until_rows_grow(url: str) -> None:
    """All that is needed has come back."""
    before = count(url, "tracker_item")
    wait_for(lambda: count(url, "tracker_item") > before, within_s=30)


def kill_and_restart_postgres() -> None:
    kill_postgres(durable_postgres())
    durable_postgres().start()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("sync", "rounds"),
    [("interval", 30 if FULL_LENGTH else 5), ("always", 10 if FULL_LENGTH else 5)],
)
def test_what_was_accepted_survives_every_death(
    sync: str, rounds: int, serve: Serve, journal: str, request: pytest.FixtureRequest
) -> None:
    """R32: SIGKILL for a worker, the drain, PostgreSQL, and all at once, at random moments."""
    url, chance = new_shop(f"deaths_{sync}"), random.Random()
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=f"{journal}?sync={sync}")

    def kill_all() -> None:
        kill(server.children())
        kill_and_restart_postgres()

    def kill_one_after_the_other() -> None:
        """The drain last, while it waits for the database with the dead worker's records."""
        kill_postgres(durable_postgres())
        kill(workers(server))
        load.accept(50)
        kill(drains(server))
        durable_postgres().start()

    deaths: list[Callable[[], None]] = [
        lambda: kill(chance.sample(workers(server), 1)),
        lambda: kill(drains(server)),
        kill_and_restart_postgres,
        kill_all,
        kill_one_after_the_other,
    ]
    with Load(server, pause_s=0.002) as load:
        for number in range(rounds):
            before = chance.randrange(700)
            load.accept(before)
            deaths[number % len(deaths)]()
            wait_until_rows_grow(url)
            load.accept(700 - before)
    wait_until_kept(load, url, within_s=60)
    assert not any(answer.isdigit() for answer in load.failures)
    say(request, f"{sync}: {rounds} rounds of deaths, {load.accepted} accepted, {load.failures}")


def test_a_reload_under_load_fails_no_request(serve: Serve, journal: str) -> None:
    """SIGHUP replaces both workers and the drain."""
    url = new_shop("reload")
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=journal)
    old = server.children()
    with Load(server) as load:
        load.accept(100)
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not set(old) & set(server.children()), within_s=30)
        load.accept(100)
    assert not load.failures
    assert (len(old), len(server.children())) == (3, 3)
    wait_until_kept(load, url)


@pytest.mark.timeout(180)
def test_no_request_fails_while_the_database_is_down(
    serve: Serve, journal: str, request: pytest.FixtureRequest
) -> None:
    """R32; and nobody's help is needed afterwards."""
    url, postgres = new_shop("down"), durable_postgres()
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=journal)
    with Load(server, pause_s=0.005) as load:
        load.accept(100)
        postgres.stop()
        sleep(60 if FULL_LENGTH else 10)  # What is tested is the length itself.
        postgres.start()
        load.accept(100)
    assert not load.failures
    began = monotonic()
    wait_until_kept(load, url)
    took_s = monotonic() - began
    say(request, f"{load.accepted} accepted around an outage, drained {took_s:.1f} s after the end")


def test_a_frozen_drain_that_wakes_up_beside_another_does_no_harm(
    serve: Serve, journal: str
) -> None:
    """R22: it still merges what it had read, however old that is by then."""
    url = new_shop("frozen_drain")
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=journal)
    (frozen,) = drains(server)
    with drain_process(url, journal), Load(server) as load:
        for _ in range(3):
            load.accept(300)
            os.kill(frozen, signal.SIGSTOP)
            load.accept(1000)
            os.kill(frozen, signal.SIGCONT)
    wait_until_kept(load, url)


def test_an_item_is_in_its_row_soon_after_the_reply(
    serve: Serve, journal: str, request: pytest.FixtureRequest
) -> None:
    """Within 1 s under light load; the rest is for a busy machine."""
    url = new_shop("soon")
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=journal)
    took_s = []
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for number in range(100 if FULL_LENGTH else 20):
            assert server.add(product_id=f"sku-{number}").status == 200
            began = monotonic()

            def is_there(product_id: str = f"sku-{number}") -> bool:
                cursor.execute("SELECT FROM tracker_item WHERE product_id = %s", [product_id])
                return cursor.rowcount == 1

            wait_for(is_there)
            took_s.append(monotonic() - began)
    connection.close()
    say(request, f"from reply to row: {median(took_s):.3f} s (median), {max(took_s):.3f} s (max)")
    assert max(took_s) < 3


@contextmanager
def waiting_drain(url: str) -> Iterator[None]:
    """Until the block's end, a drain that has begun its work waits for the database."""
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = 'frozen' AND wait_event_type = 'Lock'"
    wait_for(lambda: stored(url))
    lock = psycopg2.connect(url)
    lock.cursor().execute("LOCK TABLE tracker_cart")
    wait_for(lambda: durable_postgres().execute(waits))
    yield
    lock.close()


def test_a_drain_is_stopped_though_the_database_does_not_answer(
    journal: str, tmp_path: Path
) -> None:
    """Within 5 s, by itself, in the middle of a batch; nothing is lost."""
    url, postgres = new_shop("frozen"), durable_postgres()
    expected = fill_journal(journal, 20_000, per_segment=1000)
    with drain_process(url, journal) as drain, waiting_drain(url):
        postgres.freeze()
        try:
            began = monotonic()
            drain.terminate()
            code = drain.wait(10)
            took_s = monotonic() - began
        finally:
            postgres.thaw()
    assert (code, took_s < 5) == (0, True)
    assert 0 < len(stored(url)) < len(expected)
    with drain_process(url, journal, "--once") as drain:
        assert drain.wait(60) == 0
    assert stored(url) == expected
    assert not segments(tmp_path / "journal")
