"""Shops and the tracker as separate sites over HTTPS, for a browser on this machine.

Browsers treat `test` as a public suffix, like `com`: `tracker.test` and `shop-a.test` are as
foreign to each other as two shops on the web.
"""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin
from uuid import UUID

import psycopg2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browser import PATIENCE_MS, Complaints, launched_with
from tests.support.front import Certificate, Front
from tests.support.live import Server, wait_for

LISTED = ("shop-a", "shop-b")
Row = tuple[str, str, str | None, int | None]

# Which cookies of the tracker a browser takes in a shop's page. Set in each case: packages of
# Chromium differ in what they begin with (Debian's is "partitioned").
Cookies = Literal["all", "partitioned", "none"]
_PREFERENCES: dict[Cookies, dict[str, object]] = {
    "all": {"profile": {"cookie_controls_mode": 0}},
    "partitioned": {"profile": {"cookie_controls_mode": 1}},
    # No switch for third-party cookies stops partitioned ones; a rule for a site stops all of its.
    "none": {
        "profile": {
            "content_settings": {"exceptions": {"cookies": {"[*.]tracker.test,*": {"setting": 2}}}}
        }
    },
}


class Sites:
    """`https://tracker.test` with its own database, and any number of shops.

    `shop-a` and `shop-b` are in the tracker's list, all other names are strangers. All of them are
    behind `front`, which can fail on purpose and records the requests to the tracker.
    """

    tracker = "https://tracker.test"

    def __init__(self, database_url: str, **env: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="cart-tracker-sites-"))
        self._database_url = database_url
        settings = {
            "DATABASE_URL": database_url,
            "VAR_DIR": str(self._directory / "var"),
            "INTAKE_URL": "database://",
            "TRUSTED_PROXIES": "1",
            "ALLOWED_HOSTS": "tracker.test",
            "STOREFRONT_ORIGINS": ",".join(map(self.url, LISTED)),
        }
        self.certificate = Certificate(self._directory)
        self.server = Server(env=settings | env)
        self.front = Front(self.certificate, "tracker.test", self.server.port)

    def close(self) -> None:
        self.front.close()
        self.server.stop()
        shutil.rmtree(self._directory)

    def url(self, shop: str) -> str:
        """Return a shop's origin: `https://shop-a.test`."""
        return f"https://{shop}.test"

    def page(
        self, shop: str, path: str, html: str, headers: Mapping[str, str] | None = None
    ) -> str:
        """Put a page on a shop's server, or replace it. Return its URL."""
        self.front.pages[f"{shop}.test", path] = (html, headers or {})
        return f"{self.url(shop)}{path}"

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Make the tracker answer 503 until the block ends, because it can't store an item."""
        self._execute("ALTER TABLE tracker_item RENAME TO tracker_item_away")
        try:
            yield
        finally:
            self._execute("ALTER TABLE tracker_item_away RENAME TO tracker_item")

    def rows(self) -> list[Row]:
        """Return the stored items, oldest first: cart id, product id, name, price in cents."""
        found = self._execute(
            "SELECT cart_id, product_id, name, price FROM tracker_item ORDER BY created_at, id"
        )
        return [(str(UUID(str(cart))), *item) for cart, *item in found]

    def _execute(self, sql: str) -> list[Any]:
        with closing(self._connection()) as link, link, closing(link.cursor()) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall() if cursor.description else [])

    def _connection(self) -> Any:
        """Connect without Django's models: see tests/support/browser.py."""
        if self._database_url.startswith("sqlite:///"):
            return sqlite3.connect(self._database_url.removeprefix("sqlite:///"))
        return psycopg2.connect(self._database_url)


@contextmanager
def launched_for(sites: Sites, *flags: str, cookies: Cookies = "all") -> Iterator[Browser]:
    """Start a Chromium that finds these sites on every port and trusts their key."""
    with launched_with(
        _PREFERENCES[cookies],
        f"--host-resolver-rules=MAP *.test 127.0.0.1:{sites.front.port}",
        f"--ignore-certificate-errors-spki-list={sites.certificate.spki}",
        *flags,
    ) as browser:
        yield browser


@pytest.fixture(scope="module")
def sites(new_database: Callable[[], str]) -> Iterator[Sites]:
    running = Sites(new_database())
    yield running
    running.close()


@pytest.fixture(scope="module", params=["all"])
def shopping(sites: Sites, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Start a browser that finds the sites. The parameter says which cookies it accepts:

    `@pytest.mark.parametrize("shopping", ["partitioned", "none"], indirect=True)`
    """
    with launched_for(sites, cookies=request.param) as browser:
        yield browser


@pytest.fixture
def visitor(shopping: Browser, sites: Sites, complaints: Complaints) -> Iterator[BrowserContext]:
    """Make a new visitor without cookies. The front answers normally, and has seen nothing."""
    context = shopping.new_context()
    context.set_default_timeout(PATIENCE_MS)
    complaints.listen(context)
    sites.front.normal()
    sites.front.forget()
    yield context
    sites.front.normal()
    context.close()


@pytest.fixture
def open_shop(visitor: BrowserContext, sites: Sites) -> Callable[..., Page]:
    """Open a shop's blank page in the visitor's only tab: `open_shop("shop-a")`."""
    tab = visitor.new_page()

    def go(shop: str, port: str = "") -> Page:
        tab.goto(f"{sites.url(shop)}{port}/")
        return tab

    return go


TAG = f'<script src="{Sites.tracker}/cart-tracker.v1.js" defer></script>'
WITH_CONSENT = TAG.replace("defer", 'defer data-consent="required"')
ELSEWHERE = "https://stranger.test/"

# Adds of one moment, and what becomes of them: ids of carts, and errors with what they hold.
_ADD = """(items) => {
  window.ends ??= [];
  const plain = (end) => end instanceof Error ? {message: end.message, ...end} : end;
  const note = (kind) => (end) => ends.push([kind, plain(end)]);
  for (const item of items)
    item ? cartTracker.add(item).then(note("stored"), note("refused"))
         : cartTracker.reset().then(note("reset"), note("refused"));
}"""
RESET = None  # In the place of an item.
Stored = tuple[str, str | None, int | None]


def item(product_id: str, **members: Any) -> dict[str, Any]:
    return {"product_id": product_id, **members}


class Shopper:
    """A tab. The ids of its carts tell its adds from those of other visitors."""

    def __init__(self, sites: Sites, context: BrowserContext, url: str) -> None:
        self.sites, self.context, self.url = sites, context, url
        self.page: Page = context.new_page()
        self.page.goto(url)

    def add(self, *items: dict[str, Any] | None) -> None:
        """Add all at the same moment, without waiting."""
        self.page.evaluate(_ADD, list(items))

    def add_and_leave(self, *items: dict[str, Any] | None) -> None:
        """Add all at the same moment, and leave for another site at once."""
        with self.page.expect_navigation(url=ELSEWHERE):
            self.page.evaluate(
                f"(items) => {{ ({_ADD})(items); location = '{ELSEWHERE}' }}", list(items)
            )

    def ends(self, count: int) -> list[Any]:
        """Wait for this many adds and resets. Return the ends, like ["stored", cart id]."""
        self.page.wait_for_function("(count) => window.ends?.length >= count", arg=count)
        return list(self.page.evaluate("ends"))

    def added(self, *items: dict[str, Any] | None) -> list[Any]:
        """Add and wait. Return the results."""
        before = self.page.evaluate("window.ends?.length ?? 0")
        self.add(*items)
        return [end for _, end in self.ends(before + len(items))[before:]]

    def hear_of(self, event: str) -> None:
        """Fire an event that ends the wait after a failure, like `online`."""
        self.page.evaluate("(event) => { dispatchEvent(new Event(event)) }", event)

    def code(self) -> str:
        return str(self.page.evaluate("cartTracker.code()"))

    def cookie(self) -> dict[str, Any]:
        """Return the shop's own cookie, or an empty text."""
        found = [each for each in self.context.cookies(self.url) if each["name"] == "cart_tracker"]
        return dict(found[0]) if found else {}

    def cart(self) -> str:
        return str(self.cookie().get("value", ""))

    def trackers_cookie(self) -> str:
        """Return the cookie that only the tracker can read, or an empty text."""
        found = self.context.cookies(urljoin(Sites.tracker, "/items"))
        return next((str(each["value"]) for each in found if each["name"] == "cart_id"), "")

    def waiting(self) -> list[Any]:
        """Return the queue in localStorage, the oldest first."""
        kept = self.page.evaluate("Object.entries(localStorage).sort()")
        return [json.loads(text) for key, text in kept if key.startswith("cart_tracker.")]

    def wait_until_sent(self) -> None:
        wait_for(lambda: not self.waiting())

    def stored(self, cart_id: str) -> list[Stored]:
        """Return the tracker's items in this cart, oldest first."""
        return [row[1:] for row in self.sites.rows() if row[0] == cart_id]

    def pass_time(self) -> None:
        """Wait for a request to the shop. What would have been sent by now has been sent."""
        self.page.evaluate("fetch('/')")
