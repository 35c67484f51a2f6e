"""The intakes' promise while processes die, freeze and reload, and parts are away, under load.

The oracle is the clients' own log of what was answered 200 (tests/support/load.py). Shorter by
default; at full length with CI set.
"""

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import NamedTuple

import psycopg2
import pytest

from tests.support.live import Server, wait_for
from tests.support.load import FULL_LENGTH, Load, fill_journal, say, wait_until_kept
from tests.support.parts import (
    count,
    drain_process,
    drains,
    durable_postgres,
    kill,
    kill_postgres,
    new_shop,
    pending_of,
    workers,
)
from tests.support.postgres import Postgres
from tests.support.stored import stored
from tests.support.valkey import Valkey
from tracker.intake.journal.segments import segments

Serve = Callable[..., Server]
Death = Callable[[], None]
pytestmark = pytest.mark.postgresql
pytest_plugins = ["tests.support.streams"]

CLAIM_MS = 300
# What does not depend on the intake is tried with each of them in CI only.
JOURNAL_AND_IN_CI_VALKEY = ["journal", pytest.param("valkey", marks=pytest.mark.slow)]


class Kept(NamedTuple):
    """Where an intake keeps what it accepts: its name, its URL, and the Valkey there, if any."""

    name: str
    url: str
    valkey: Valkey | None = None

    def new_shop(self, test: str) -> str:
        return new_shop(f"{test}_{self.name.replace('-', '_')}")


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return f"journal://{tmp_path}/journal"


@pytest.fixture
def kept(request: pytest.FixtureRequest, journal: str) -> Kept:
    name = str(request.param)
    if name == "valkey":
        valkey = request.getfixturevalue("start_valkey")("appendonly yes", "appendfsync always")
        return Kept(name, valkey.url(f"claim_ms={CLAIM_MS}"), valkey)
    urls = {
        "database": "database://",
        "journal": journal,
        "journal-always": f"{journal}?sync=always",
    }
    return Kept(name, urls[name])


def wait_until_rows_grow(url: str) -> None:
    """All that is needed has come back."""
    before = count(url, "tracker_item")
    wait_for(lambda: count(url, "tracker_item") > before, within_s=30)


def kill_and_restart_postgres() -> None:
    kill_postgres(durable_postgres())
    durable_postgres().start()


def deaths_of(server: Server, kept: Kept, load: Load, chance: random.Random) -> list[Death]:
    """Ways to die, alone and together."""

    def kill_all() -> None:
        kill(server.children())
        if kept.valkey:
            kept.valkey.kill()
        kill_and_restart_postgres()
        if kept.valkey:
            kept.valkey.start()

    def kill_one_after_the_other() -> None:
        """The drain last, while it waits for the database with the dead worker's records."""
        kill_postgres(durable_postgres())
        kill(workers(server))
        load.accept(50)
        kill(drains(server))
        durable_postgres().start()

    def kill_and_restart_valkey() -> None:
        assert kept.valkey
        kept.valkey.kill()
        kept.valkey.start()

    deaths: list[Death] = [
        lambda: kill(chance.sample(workers(server), 1)),
        kill_and_restart_postgres,
        kill_all,
    ]
    if kept.name != "database":
        deaths += [lambda: kill(drains(server)), kill_one_after_the_other]
    if kept.valkey:
        deaths += [kill_and_restart_valkey]
    return deaths


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kept", "rounds"),
    [
        ("journal", 30 if FULL_LENGTH else 2),
        pytest.param("journal-always", 30 if FULL_LENGTH else 1, marks=pytest.mark.slow),
        pytest.param("valkey", 30 if FULL_LENGTH else 2, marks=pytest.mark.slow),
        pytest.param("database", 30 if FULL_LENGTH else 1, marks=pytest.mark.slow),
    ],
    indirect=["kept"],
)
def test_what_was_accepted_survives_every_death(
    kept: Kept, rounds: int, serve: Serve, request: pytest.FixtureRequest
) -> None:
    """R32: SIGKILL for a worker, the drain, PostgreSQL, Valkey, and all, at random moments."""
    url, chance = kept.new_shop("deaths"), random.Random()
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=kept.url)
    with Load(server, pause_s=0.002) as load:
        deaths = deaths_of(server, kept, load, chance)
        chance.shuffle(deaths)  # Few rounds take others each time.
        for number in range(rounds):
            before = chance.randrange(700)
            load.accept(before)
            deaths[number % len(deaths)]()
            wait_until_rows_grow(url)
            load.accept(700 - before)
    wait_until_kept(load, url, within_s=60)
    answers = {answer for answer in load.failures if answer.isdigit()}
    assert answers <= (set() if kept.name.startswith("journal") else {"503"})
    say(request, f"{kept.name}: {rounds} rounds of deaths: {load.accepted} kept, {load.failures}")


@pytest.mark.parametrize("kept", JOURNAL_AND_IN_CI_VALKEY, indirect=True)
def test_a_reload_under_load_fails_no_request(kept: Kept, serve: Serve) -> None:
    """SIGHUP replaces both workers and the drain."""
    url = kept.new_shop("reload")
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=kept.url)
    old = server.children()
    with Load(server) as load:
        load.accept(100)
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not set(old) & set(server.children()), within_s=30)
        load.accept(100)
    assert not load.failures
    assert (len(old), len(server.children())) == (3, 3)
    wait_until_kept(load, url)


@contextmanager
def stopped(postgres: Postgres) -> Iterator[None]:
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kept", JOURNAL_AND_IN_CI_VALKEY, indirect=True)
def test_no_request_fails_while_the_database_is_down(
    kept: Kept, serve: Serve, request: pytest.FixtureRequest
) -> None:
    """R32; and nobody's help is needed afterwards."""
    url, postgres = kept.new_shop("down"), durable_postgres()
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=kept.url)
    with Load(server, pause_s=0.005) as load:
        load.accept(100)
        with stopped(postgres):
            sleep(60 if FULL_LENGTH else 2)  # What is tested is the length itself.
        load.accept(100)
    assert not load.failures
    began = monotonic()
    wait_until_kept(load, url)
    took_s = monotonic() - began
    say(request, f"{kept.name}: {load.accepted} around an outage, drained {took_s:.1f} s after it")


@pytest.mark.parametrize(
    "kept", [pytest.param("journal", marks=pytest.mark.slow), "valkey"], indirect=True
)
def test_a_frozen_drain_that_wakes_up_beside_another_does_no_harm(kept: Kept, serve: Serve) -> None:
    """R22: it still merges what it had read, which others have claimed and merged since."""
    url = kept.new_shop("frozen_drain")
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=kept.url)
    (frozen,) = drains(server)
    with drain_process(url, kept.url), Load(server) as load:
        for _ in range(3):
            load.accept(300)
            freeze_at_work(frozen, kept)
            load.accept(1000)
            if kept.valkey:
                wait_for(partial(has_lost_its_work, frozen, kept.valkey))
            os.kill(frozen, signal.SIGCONT)
    wait_until_kept(load, url)


def has_lost_its_work(drain: int, valkey: Valkey) -> bool:
    """Whether others have claimed all that it had read."""
    return not pending_of(drain, valkey)


def freeze_at_work(drain: int, kept: Kept) -> None:
    """Stop it where it is; with Valkey, while it has read what it has not acknowledged."""
    while True:
        os.kill(drain, signal.SIGSTOP)
        if kept.valkey is None or pending_of(drain, kept.valkey):
            return
        os.kill(drain, signal.SIGCONT)
        sleep(0.005)


@pytest.mark.slow
def test_a_full_valkey_refuses_until_the_drain_has_made_room(
    serve: Serve, start_valkey: Callable[..., Valkey]
) -> None:
    """R32: the drain goes on by itself as soon as its database is back."""
    url, postgres = new_shop("full_valkey"), durable_postgres()
    valkey = start_valkey("maxmemory 2mb")
    server = serve("--workers", "2", DATABASE_URL=url, INTAKE_URL=valkey.url())
    with Load(server) as load:
        load.accept(100)
        with stopped(postgres):
            load.be_refused(50)
            held = load.accepted
        assert "maxmemory" in server.printed()
        load.accept(held)
    assert load.failures.keys() == {"503"}
    wait_until_kept(load, url)


def test_an_item_is_in_its_row_soon_after_the_reply(
    serve: Serve, journal: str, request: pytest.FixtureRequest
) -> None:
    """Within 1 s under light load; a busy machine gets ten."""
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
    assert max(took_s) < 10


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
    """By itself, in the middle of a batch; nothing is lost."""
    url, postgres = new_shop("frozen"), durable_postgres()
    expected = fill_journal(journal, 20_000, per_segment=1000)
    with drain_process(url, journal) as drain, waiting_drain(url):
        postgres.freeze()
        try:
            drain.terminate()
            code = drain.wait(30)
        finally:
            postgres.thaw()
    assert code == 0
    assert 0 < len(stored(url)) < len(expected)
    with drain_process(url, journal, "--once") as drain:
        assert drain.wait(60) == 0
    assert stored(url) == expected
    assert not segments(tmp_path / "journal")
