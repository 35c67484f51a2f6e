"""The snippet on a page without HTTPS, where browsers have neither locks nor crypto.randomUUID."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext

from tests.support.sites import TAG, Shopper, Sites, item, launched_for

pytest_plugins = ["tests.support.browser"]
pytestmark = pytest.mark.browser

SHOP = "http://shop.plain"


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(TAG.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  Its own name.
        pass


@pytest.fixture(scope="module")
def shop_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def sites(new_database: Callable[[], str]) -> Iterator[Sites]:
    running = Sites(new_database(), STOREFRONT_ORIGINS=SHOP)
    yield running
    running.close()


@pytest.fixture(scope="module")
def visitor(sites: Sites, shop_port: int) -> Iterator[BrowserContext]:
    rules = f"MAP shop.plain 127.0.0.1:{shop_port}, MAP *.test 127.0.0.1:{sites.front.port}"
    with launched_for(sites, f"--host-resolver-rules={rules}") as browser:
        yield browser.new_context()


def test_quick_clicks_are_stored_in_their_order(sites: Sites, visitor: BrowserContext) -> None:
    shopper = Shopper(sites, visitor, SHOP)
    assert shopper.page.evaluate("[isSecureContext, !navigator.locks, !crypto.randomUUID]") == [
        False,
        True,
        True,
    ]
    carts = shopper.added(*[item("sku-1", price=price) for price in (1, 2, 3)])
    assert set(carts) == {shopper.cart()}
    assert UUID(shopper.cart()).version == 7
    assert shopper.stored(shopper.cart()) == [("sku-1", None, 3)]
    assert [body["price"] for body in sites.front.bodies()] == [1, 2, 3]
    assert shopper.cookie()["secure"] is False


def test_two_tabs_share_a_cart(sites: Sites, visitor: BrowserContext) -> None:
    tabs = [Shopper(sites, visitor, SHOP) for _ in range(2)]
    for tab in tabs:
        tab.add(item("sku-1"), item("sku-2"))
    assert all(tab.ends(2) == [["stored", tabs[0].cart()]] * 2 for tab in tabs)
    tabs[0].wait_until_sent()
