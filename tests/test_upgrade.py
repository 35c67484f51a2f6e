"""An upgrade while the shops go on: the code of before the newest migration, and today's."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.request import HTTPCookieProcessor, build_opener
from uuid import UUID

import pytest

from tests import earlier
from tests.conftest import migrate
from tests.live import ROOT, Server, wait_for
from tests.load import Load, say, wait_until_kept
from tests.parts import drain_process
from tests.test_database_intake import stored
from tests.test_start import log_in
from tests.valkey import Valkey

pytestmark = [pytest.mark.history, pytest.mark.slow]
pytest_plugins = ["tests.stream_fixtures"]

Serve = Callable[..., Server]
NewDatabase = Callable[[], str]
CART = UUID(int=7)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the code of before is."""
    return earlier.unpack(tmp_path_factory.mktemp("before"))


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return f"journal://{tmp_path}/journal"


@pytest.fixture
def stream(valkey: Valkey) -> str:
    return valkey.url()


class Release:
    """A server whose code is behind a link, as docs/upgrading.md has it; and its database."""

    def __init__(self, link: Path, code: Path, url: str, serve: Callable[..., Server]) -> None:
        self._link, self.url = link, url
        link.symlink_to(code)
        self.server = serve(root=link, DATABASE_URL=url)

    def become(self, code: Path) -> None:
        """Returns when all processes of the other code have ended."""
        starts = self._starts_of_before()
        following = self._link.with_name("following")
        following.symlink_to(code)
        following.replace(self._link)
        running = set(self.server.children())
        self.server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not running & set(self.server.children()), within_s=60)
        assert (self._starts_of_before() > starts) == (code != ROOT)

    def _starts_of_before(self) -> int:
        """How many processes have begun with the code of before."""
        return self.server.printed().count(earlier.MARK)


@pytest.fixture
def release(
    before: Path, empty_database: NewDatabase, serve: Serve, tmp_path: Path
) -> Callable[[str], Release]:
    """Starts the code of before, on a database of its own: `release(intake_url)`."""

    def start(intake_url: str) -> Release:
        url = empty_database()
        migrate(url, root=before)
        return Release(tmp_path / "current", before, url, partial(serve, INTAKE_URL=intake_url))

    return start


def test_an_upgrade_refuses_nobody_and_loses_nothing(
    release: Callable[[str], Release], before: Path, journal: str, request: pytest.FixtureRequest
) -> None:
    """R32: the steps of docs/upgrading.md under load, and the way back."""
    shop = release(journal)
    with Load(shop.server, clients=2, pause_s=0.005) as load:
        load.accept(100)
        migrate(shop.url)
        load.accept(100)
        with drain_process(shop.url, journal):  # Both codes at once.
            load.accept(100)
            shop.become(ROOT)
            load.accept(100)
            shop.become(before)
            load.accept(100)
    assert not load.failures
    wait_until_kept(load, shop.url)
    say(request, f"journal: {load.accepted} accepted during an upgrade, none refused or lost")


def test_an_upgrade_refuses_nobody_without_a_journal(
    release: Callable[[str], Release], before: Path, request: pytest.FixtureRequest
) -> None:
    """R32: every add waits for whatever lock the migrations take."""
    shop = release("database://")
    # SQLite's own limit is not what is tested: it has one writer, and those who wait are not served
    # in turn (tracker/intake/database.py).
    clients = 1 if shop.url.startswith("sqlite") else 4
    with Load(shop.server, clients=clients, pause_s=0.005) as load:
        load.accept(50)
        migrate(shop.url)
        load.accept(50)
        shop.become(ROOT)
        load.accept(50)
        shop.become(before)
        load.accept(50)
    assert not load.failures
    wait_until_kept(load, shop.url)
    say(request, f"database: {load.accepted} accepted during an upgrade, none refused or lost")


@pytest.mark.parametrize("kept", ["journal", pytest.param("stream", marks=pytest.mark.once)])
def test_what_one_code_has_accepted_the_other_one_drains(
    kept: str, before: Path, new_database: NewDatabase, serve: Serve, request: pytest.FixtureRequest
) -> None:
    """R21: with all that a record can say of a member: a value, null, nothing."""
    url, intake_url = new_database(), request.getfixturevalue(kept)
    expected: dict[tuple[str, str], tuple[Any, Any]] = {}
    for writer, reader in ((before, ROOT), (ROOT, before)):
        server = serve("--no-drain", root=writer, DATABASE_URL=url, INTAKE_URL=intake_url)
        for members in ({"name": "é", "price": 5}, {"name": None}, {"price": None}, {}):
            product_id = f"sku-{len(expected)}"
            assert server.add(cart_id=str(CART), product_id=product_id, **members).status == 200
            expected[CART.hex, product_id] = (members.get("name"), members.get("price"))
        assert server.stop() == 0
        with drain_process(url, intake_url, "--once", root=reader) as drain:
            assert drain.wait(30) == 0
        assert stored(url) == expected


def test_the_console_of_before_shows_what_is_in_the_tables_of_today(
    before: Path, new_database: NewDatabase, serve: Serve
) -> None:
    """And whoever has logged in there stays logged in: today's code knows the session, too."""
    url = new_database()
    make_account(url, before)
    old, new = serve(root=before, DATABASE_URL=url), serve(DATABASE_URL=url)
    assert old.add(cart_id=str(CART), product_id="sku-old").status == 200
    assert new.add(cart_id=str(CART), product_id="sku-new").status == 200
    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    login = f"http://127.0.0.1:{old.port}/admin/login/?next=/admin/"
    assert "Log out" in log_in(browser, login, "alice", "correct horse")
    for server in (old, new):
        for page in ("cart/", f"cart/{CART}/change/", "item/"):
            address = f"http://127.0.0.1:{server.port}/admin/tracker/{page}"
            assert str(CART) in browser.open(address).read().decode(), address


def make_account(url: str, root: Path) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "createsuperuser", "--noinput", "--email=a@shop.example"],
        cwd=root,
        env={
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SUPERUSER_USERNAME": "alice",
            "DJANGO_SUPERUSER_PASSWORD": "correct horse",
        },
        check=True,
    )
