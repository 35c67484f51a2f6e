"""Shops and the tracker as separate sites over HTTPS, for a browser on this machine.

Browsers treat `test` as a public suffix, like `com`: `tracker.test` and `shop-a.test` are as
foreign to each other as two shops on the web.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psycopg2
from playwright.sync_api import Browser

from tests.support.browser import launched_with
from tests.support.certificate import Certificate
from tests.support.front import Front
from tests.support.live import Server

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
