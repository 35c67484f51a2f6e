"""docs/integration.md: what its examples for pages do in a shop's page on a site of its own."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.browser import Complaints
from tests.support.guides import example
from tests.support.sites import Sites

pytest_plugins = ["tests.support.browser", "tests.support.sites"]
pytestmark = pytest.mark.browser
SOCKS = "{product_id: 'sku-1', name: 'Blue socks', price: 1299}"
BOOTS = "{product_id: 'sku-2', name: 'Boots', price: 8900}"
OWN_NAME = "tracker.shop-a.test"


@pytest.fixture(scope="module")
def sites(new_database: Callable[[], str]) -> Iterator[Sites]:
    """The tracker answers under a name below a shop's domain, too."""
    running = Sites(new_database(), ALLOWED_HOSTS=f"tracker.test,{OWN_NAME}")
    yield running
    running.close()


@pytest.fixture
def page(visitor: BrowserContext, sites: Sites) -> Page:
    """Of a shop that does it by itself."""
    code = "".join(
        example("js", words, sites.tracker)
        for words in ("function tellTracker", "function forgetCart")
    )
    opened = visitor.new_page()
    opened.goto(sites.page("shop-a", "/fetch", f"<!doctype html><script>{code}</script>"))
    return opened


def with_tag(words: str, visitor: BrowserContext, sites: Sites) -> Page:
    """A page with the guide's tag with these words, under the policy that the guide asks for."""
    policy = example("http", "script-src", sites.tracker).strip().partition(": ")[2]
    headers = {"Content-Security-Policy": f"default-src 'none'; {policy}"}
    html = f"<!doctype html><title>Shop</title>{example('html', words, sites.tracker)}"
    opened = visitor.new_page()
    opened.goto(sites.page("shop-a", "/tag", html, headers))
    return opened


@pytest.mark.parametrize("words", ['v1.js" defer', "integrity"])
def test_the_tag_and_one_call_are_enough(visitor: BrowserContext, sites: Sites, words: str) -> None:
    """With the hash: the file of that name is still there, and is the one that was named."""
    page = with_tag(words, visitor, sites)
    cart = page.evaluate(example("js", "cartTracker.add", sites.tracker))
    assert [item for kept, *item in sites.rows() if kept == cart] == [["sku-1", "Blue socks", 1299]]
    kept = {(cookie["name"], cookie["domain"]): cookie["value"] for cookie in visitor.cookies()}
    assert kept == {("cart_tracker", "shop-a.test"): cart, ("cart_id", "tracker.test"): cart}


def test_nothing_is_sent_or_kept_before_consent(visitor: BrowserContext, sites: Sites) -> None:
    page = with_tag("data-consent", visitor, sites)
    page.evaluate(f"void cartTracker.add({SOCKS})")
    assert (visitor.cookies(), page.evaluate("localStorage.length")) == ([], 0)
    assert sites.front.methods() == []
    page.evaluate("cartTracker.consent(true)")
    sites.front.wait_for_posts(1)


def test_quick_first_adds_are_in_one_cart(page: Page, sites: Sites) -> None:
    both = page.evaluate(f"Promise.all([tellTracker({SOCKS}), tellTracker({BOOTS})])")
    assert both[0] == both[1]
    stored = [item for cart, *item in sites.rows() if cart == both[0]]
    assert sorted(stored) == [["sku-1", "Blue socks", 1299], ["sku-2", "Boots", 8900]]
    assert sites.front.methods() == ["POST", "POST"]  # No preflight.


def test_the_next_page_goes_on_with_the_cart(page: Page) -> None:
    cart = page.evaluate(f"tellTracker({SOCKS})")
    page.reload()
    assert page.evaluate(f"tellTracker({BOOTS})") == cart


def test_a_shops_cookie_that_was_lost_comes_back(page: Page) -> None:
    """R1: the tracker's cookie counts first, and the answer tells whose it is."""
    cart = page.evaluate(f"tellTracker({SOCKS})")
    page.context.clear_cookies(name="shop_cart")
    assert page.evaluate(f"tellTracker({BOOTS})") == cart
    assert page.evaluate("keptCart()") == cart


def test_an_order_ends_the_cart(page: Page, sites: Sites) -> None:
    """R9: the tracker's cookie is gone, too."""
    cart = page.evaluate(f"tellTracker({SOCKS})")
    page.evaluate("forgetCart()")
    assert page.context.cookies() == []
    assert page.evaluate(f"tellTracker({SOCKS})") != cart


def test_a_refusal_tells_its_codes(page: Page, complaints: Complaints) -> None:
    """R31, R33"""
    complaints.expect("status of 400")
    told = page.evaluate(
        "tellTracker({price: 12.5}).catch(({status, errors}) => ({status, errors}))"
    )
    assert told["status"] == 400
    assert [fault["code"] for fault in told["errors"]] == ["required", "not_an_integer"]


def test_below_the_shops_domain_the_tracker_is_of_the_same_site(
    page: Page, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R33: its cookie is first-party; the origin is another one, and must be listed, too."""
    monkeypatch.setattr(sites.front, "tracker_host", OWN_NAME)
    call = f"""fetch("https://{OWN_NAME}/items", {{
        method: "POST", body: JSON.stringify({SOCKS}), credentials: "include",
    }}).then((answer) => answer.json())"""
    assert page.evaluate(call) == page.evaluate(call)
    assert [asked.headers["sec-fetch-site"] for asked in sites.front.seen] == ["same-site"] * 2
