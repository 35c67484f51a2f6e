"""Migrations with data, beside others who use the tables: waited for, cut off, taken back."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.db import connection

from tests import earlier
from tests.conftest import migrate
from tests.environment import DATABASE
from tests.live import ROOT, Server
from tests.load import Load, assert_counts_are_right, fill_journal, wait_until_kept
from tests.parts import drain_process
from tests.test_database_intake import ask, stored
from tests.test_tallies import CARTS, START, counted, kept
from tracker import store
from tracker.models import Cart, Tally
from tracker.payload import Add
from tracker.recount import recount

NewDatabase = Callable[[], str]
Rows = dict[tuple[str, str], tuple[object, object]]


@pytest.fixture(scope="module")
def filled(new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Rows]:
    """The URL of a database with items in it; and what they are. A test leaves it as it was."""
    url, journal = new_database(), f"journal://{tmp_path_factory.mktemp('journal')}"
    rows = fill_journal(journal, 3000)
    with drain_process(url, journal, "--once") as drain:
        assert drain.wait(60) == 0
    return url, rows


def test_migrations_are_taken_back_and_made_again_with_data(filled: tuple[str, Rows]) -> None:
    url, rows = filled
    migrate(url, "tracker", "0002")
    assert stored(url) == rows
    migrate(url)
    assert stored(url) == rows
    assert_counts_are_right(url)


def test_a_migration_that_was_cut_off_begins_anew(filled: tuple[str, Rows]) -> None:
    """Also where an index is half-made, and counts are wrong."""
    url, rows = filled
    change(url, "DELETE FROM django_migrations WHERE name = '0004_tallies'")
    change(url, "UPDATE tracker_tally SET new_items = 0")
    change(url, "UPDATE tracker_cart SET item_count = 0")
    if DATABASE == "postgresql":
        change(url, f"UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = {HALF_MADE}")
    migrate(url)
    assert stored(url) == rows
    assert_counts_are_right(url)
    if DATABASE == "postgresql":
        assert ask(url, f"SELECT indisvalid FROM pg_index WHERE indexrelid = {HALF_MADE}")[0][0]


HALF_MADE = "'tracker_item_product'::regclass"


def change(url: str, sql: str) -> None:
    """By hand."""
    opened: Any
    if DATABASE == "sqlite":
        opened = sqlite3.connect(url.removeprefix("sqlite:///"))
    else:
        opened = psycopg2.connect(url)
    opened.cursor().execute(sql)
    opened.commit()
    opened.close()


@pytest.mark.django_db
def test_a_recount_puts_right_what_is_wrong_and_leaves_what_is_right() -> None:
    batch = [
        store.Record(Add(cart, name, price=number), START)
        for cart in CARTS
        for number, name in enumerate("abc")
    ]
    store.merge(batch)
    Tally.objects.update(new_carts=7, seen_value=0)
    Cart.objects.filter(id=CARTS[0]).update(item_count=9, value=99)
    for _ in range(2):
        recount(connection)
        assert kept() == counted()
        assert Tally.objects.count() == 2  # What is missing has a row of its own.


@pytest.mark.postgresql
@pytest.mark.history
@pytest.mark.timeout(60)
def test_a_migration_that_waits_keeps_nobody_waiting(
    empty_database: NewDatabase, serve: Callable[..., Server], tmp_path: Path
) -> None:
    """R32: somebody reads for long, an export maybe; nobody queues behind who waits for that."""
    url, before = empty_database(), earlier.unpack(tmp_path / "before")
    migrate(url, root=before)
    server = serve(root=before, DATABASE_URL=url)
    reader = psycopg2.connect(url)
    reader.cursor().execute("LOCK TABLE tracker_cart IN ACCESS SHARE MODE")
    with Load(server, clients=2, pause_s=0.005) as load, migration(url) as running:
        assert running.stderr
        assert "Somebody else uses the tables" in running.stderr.readline()
        assert "Somebody else uses the tables" in running.stderr.readline()
        load.accept(20)
        reader.close()
        assert running.wait(60) == 0
        load.accept(20)
    assert not load.failures
    wait_until_kept(load, url)


@contextmanager
def migration(url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    environ = {**os.environ, "DATABASE_URL": url}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
