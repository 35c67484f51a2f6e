"""manage.py profile_items: shows what one POST does and costs, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from core.profiling.statements import Statement, counted
from tests import environment
from tests.live import ROOT, wait_for
from tracker import store
from tracker.models import Cart, DeadLetter, Item, Tally
from tracker.payload import Add

CART = UUID("6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10")
BODY = '{"product_id": "sku-1", "price": 7}'
# With a layer that asks the same twice, stores rows and drops its connection.
WASTEFUL = {"DJANGO_SETTINGS_MODULE": "tests.profiled_settings"}
COMMAND = [sys.executable, "manage.py", "profile_items"]

Profile = Callable[..., "subprocess.CompletedProcess[str]"]
pytest_plugins = ["tests.command_fixtures"]
once = pytest.mark.once
pytestmark = pytest.mark.slow


def run(var_dir: Path, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """The command with few POSTs, on a terminal of 80 columns."""
    return subprocess.run(
        [*COMMAND, "--repeat", "2", *args],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(var_dir), "COLUMNS": "80", **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """`profile("--body", "{}", DEBUG="1")`"""
    return partial(run, tmp_path)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What it shows if nothing is said."""
    return run(tmp_path_factory.mktemp("var")).stdout


@pytest.fixture
def database_url(shared_database: None) -> str:
    """Of the database that the models are read from here."""
    name = connection.settings_dict["NAME"]
    is_sqlite = connection.vendor == "sqlite"
    return f"sqlite:///{name}" if is_sqlite else environment.postgres.url(name)


@contextmanager
def nothing_changes(var_dir: Path) -> Iterator[None]:
    before = _rows()
    yield
    assert _rows() == before
    assert {path.name for path in var_dir.iterdir()} <= {"secret_key", "static"}


def _rows() -> list[Any]:
    return [
        list(model.objects.order_by("pk").values()) for model in (Cart, Item, Tally, DeadLetter)
    ]


def stages(output: str) -> dict[str, list[str]]:
    """The table's lines about a file: the file and what it does, and its cells."""
    table = output.partition("over that of an empty view\n")[2].partition("\nall stages")[0]
    lines = table.splitlines()[1:]
    found = {line[:49].rstrip(): line[49:].split() for line in lines}
    assert len(found) == len(lines), "a stage is listed twice"
    return found


# -- What it leaves --------------------------------------------------------------------------------
def test_a_real_cart_stays_as_it_is(profile: Profile, database_url: str, tmp_path: Path) -> None:
    store.merge([store.Record(Add(CART, "sku-1", "Socks", 5), 10**18)])
    with nothing_changes(tmp_path):
        result = profile("--cart", str(CART), "--body", BODY, DATABASE_URL=database_url)
    assert result.returncode == 0, result.stderr
    assert f'200 OK  {{"cart_id": "{CART}"}}' in result.stdout


def test_what_layers_store_by_themselves_is_undone_too(
    profile: Profile, database_url: str, tmp_path: Path
) -> None:
    with nothing_changes(tmp_path):
        result = profile(DATABASE_URL=database_url, **WASTEFUL)
    assert "200 OK" in result.stdout, result.stderr
    assert 'INTO "tracker_deadletter"' in result.stdout
    assert "SAVEPOINT" not in result.stdout  # What is not sent in production is not sent here.


def test_a_refusal_is_neither_logged_nor_counted(profile: Profile, tmp_path: Path) -> None:
    result = profile("--body", '{"price": 1.5', "--intake", "journal:///", COLUMNS="200")
    assert "400 Bad Request" in result.stdout
    assert "malformed_json" in result.stdout
    assert "journal: no SQL\n" in result.stdout
    assert stages(result.stdout)["tracker/intake/          made durable"] == ["-"]
    assert "refused" not in result.stderr
    assert not (tmp_path / "refusals").exists()


@once
def test_it_can_be_stopped(tmp_path: Path) -> None:
    env = {**os.environ, "VAR_DIR": str(tmp_path)}
    running = subprocess.Popen(
        [*COMMAND, "--repeat", "1000000"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with running:
        wait_for(lambda: list(tmp_path.glob("profile-*/*")))
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 128 + signal.SIGTERM
    assert not list(tmp_path.glob("profile-*"))


# -- What it shows ---------------------------------------------------------------------------------
def test_the_sql_is_what_is_executed(profile: Profile, database_url: str) -> None:
    result = profile("--body", BODY, "-v", "2", DATABASE_URL=database_url)
    assert "journal: no SQL, but a line in a file" in result.stdout
    for_drain, _, at_once = result.stdout.partition("database: ")
    for shown in (for_drain, at_once):
        assert shown.count("INSERT INTO tracker_cart") == 1
        assert shown.count("INSERT INTO tracker_item") == 1
        assert '"product_id":"sku-1"' in shown
    number = "4 statements in 1 message" if connection.vendor == "postgresql" else "5 statements"
    assert result.stdout.count(f": {number}, ") == 2


def test_a_query_that_is_sent_twice_is_noticed(profile: Profile, database_url: str) -> None:
    output = profile("--intake", "journal:///", DATABASE_URL=database_url, **WASTEFUL).stdout
    assert re.search(r"^journal: \d+ statements, 5 similar, 2 duplicates, ", output, re.MULTILINE)
    assert output.count('  (2 duplicates) SELECT "tracker_cart"') == 2
    assert output.count('  (3 similar) SELECT "tracker_cart"') == 1
    assert "tests/wasteful.py        WastefulMiddleware" in stages(output)


@once
def test_every_stage_is_listed_once(shown: str) -> None:
    found = stages(shown)
    files = [stage.split()[0] for stage in found]
    layers = [name.replace(".", "/").rpartition("/")[0] + ".py" for name in settings.MIDDLEWARE]
    assert files[0] == "core/handler.py"
    assert files[1:6] == layers[:5]
    assert {"tracker/views.py", "tracker/payload.py", "tracker/intake/", "sqlite3"} <= set(files)
    assert [stage for stage, cells in found.items() if "-" in cells] == [
        "tracker/store.py         merged into its rows",
        "sqlite3                  SQLite is asked",
    ]
    assert re.search(r"^without timers +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+$", shown, re.MULTILINE)
    assert re.search(r"^empty Django view.* [\d.]+ +1.00 +[\d.]+ +1.00$", shown, re.MULTILINE)


@once
@pytest.mark.parametrize("env", [{"DEBUG": "1"}, {"ROLE": "storefront"}])
def test_debug_and_role_change_nothing(profile: Profile, env: dict[str, str]) -> None:
    result = profile("--intake", "journal:///?sync=always", **env)
    assert result.returncode == 0, result.stderr
    assert "toolbar.py" not in result.stdout
    assert len(stages(result.stdout)) == 13


@once
def test_it_fits_the_terminal(shown: str, profile: Profile) -> None:
    for output, columns in ((shown, 80), (profile(COLUMNS="120").stdout, 120)):
        widest = max(map(len, output.splitlines()))
        assert columns - 20 < widest <= columns


@once
def test_duplicates_and_similar_ones_are_counted_as_the_toolbar_does() -> None:
    found = counted(
        [Statement(sql, (at,), 0) for sql, at in (("A", 1), ("A", 1), ("A", 2), ("B", 1))]
    )
    assert [(each.similar, each.duplicates) for each in found] == [(3, 2), (3, 2), (3, 1), (1, 1)]


# -- What it refuses -------------------------------------------------------------------------------
@once
def test_an_unreachable_database_ends_with_one_line(profile: Profile) -> None:
    result = profile(DATABASE_URL="postgres://nobody@127.0.0.1:1/nowhere")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "Connection refused" in result.stderr


@pytest.mark.postgresql
def test_a_database_without_tables_ends_with_one_line(profile: Profile) -> None:
    result = profile(DATABASE_URL=environment.postgres.url("postgres"))
    assert result.stderr.count("\n") == 1
    assert "tracker_item" in result.stderr


@once
@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--repeat", "0", "from 1 to"),
        ("--cart", "5", "no cart's id"),
        ("--body", "@/nowhere", "No such file"),
        ("--intake", "valkey://localhost", "can't be profiled"),
        ("--intake", "journal:///?sync=never", "sync must be"),
    ],
)
def test_a_bad_option_is_told(option: str, value: str, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("profile_items", option, value)


@once
def test_the_consoles_role_has_nothing_to_profile(settings: Any) -> None:
    settings.SERVES_STOREFRONT = False
    with pytest.raises(CommandError, match="use another role"):
        call_command("profile_items")


@once
def test_it_does_not_count_in_the_services_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/somewhere")
    with pytest.raises(CommandError, match="unset PROMETHEUS_MULTIPROC_DIR"):
        call_command("profile_items")
