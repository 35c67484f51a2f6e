"""The snippet on a day without trouble: carts, cookies, order, tabs, and what it leaves alone."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256, sha384
from time import time
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext

from tests.support.browser import Complaints
from tests.support.live import ROOT
from tests.support.sites import RESET, TAG, Shopper, Sites, item

pytest_plugins = ["tests.support.browser", "tests.support.sites"]
pytestmark = pytest.mark.browser

YEAR_S = 31_536_000
PUBLIC = ROOT / "tracker" / "public"
Enter = Callable[..., Shopper]


@pytest.fixture
def enter(sites: Sites, visitor: BrowserContext) -> Enter:
    """Opens a tab: `enter(html, shop="shop-b", headers={…})`."""

    def open_tab(html: str = TAG, shop: str = "shop-a", **page: Any) -> Shopper:
        return Shopper(sites, visitor, sites.page(shop, "/socks/blue", html, **page))

    return open_tab


def test_an_add_is_stored_and_the_shop_keeps_the_cart(enter: Enter) -> None:
    shopper = enter()
    assert (shopper.code(), shopper.cookie()) == ("", {})
    [cart_id] = shopper.added(item("sku-1", name="Blue socks", price=1299))
    assert shopper.stored(cart_id) == [("sku-1", "Blue socks", 1299)]
    assert UUID(cart_id).version == 7
    cookie = shopper.cookie()
    assert abs(cookie.pop("expires") - time() - YEAR_S) < 60
    assert cookie == {
        "name": "cart_tracker",
        "value": cart_id,
        "domain": "shop-a.test",
        "path": "/",
        "secure": True,
        "httpOnly": False,
        "sameSite": "Lax",
    }
    assert shopper.code() == cart_id[-8:]
    assert shopper.waiting() == []


def test_the_next_page_goes_on_with_the_cart(enter: Enter) -> None:
    carts = enter().added(item("sku-1")) + enter().added(item("sku-2"))
    assert carts[0] == carts[1]


def test_quick_first_clicks_end_up_in_one_cart_in_their_order(enter: Enter, sites: Sites) -> None:
    shopper = enter()
    prices = [item("sku-1", price=price) for price in (1, 2, 3)]
    carts = shopper.added(*prices, item("sku-2"), item("sku-1", price=4))
    assert len(set(carts)) == 1
    assert shopper.stored(carts[0]) == [("sku-1", None, 4), ("sku-2", None, None)]
    bodies = sites.front.bodies()
    assert [body.get("price") for body in bodies] == [1, 2, 3, None, 4]
    # All of them said so before the first answer was there.
    assert {body["cart_id"] for body in bodies} == set(carts)


def test_they_are_sent_one_at_a_time(enter: Enter, sites: Sites) -> None:
    shopper = enter()
    sites.front.hold()
    shopper.add(item("sku-1"), item("sku-2"))
    sites.front.wait_for_posts(1)
    shopper.pass_time()
    assert len(sites.front.bodies()) == 1
    sites.front.normal()
    assert len(shopper.ends(2)) == 2


def test_it_asks_no_preflight_and_uses_both_cookies(enter: Enter, sites: Sites) -> None:
    shopper = enter()
    [cart_id] = shopper.added(item("sku-1"))
    shopper.added(item("sku-1"))
    assert sites.front.methods() == ["POST", "POST"]
    asked = [each for each in sites.front.seen if each.method == "POST"]
    assert (
        asked[1].headers["cookie"] == f"cart_id={cart_id}" == f"cart_id={shopper.trackers_cookie()}"
    )


def test_it_adopts_the_cart_that_the_tracker_answers(enter: Enter, visitor: BrowserContext) -> None:
    """R1: the tracker's own cookie comes first."""
    shopper = enter()
    [cart_id] = shopper.added(item("sku-1"))
    visitor.clear_cookies(name="cart_tracker")
    assert shopper.added(item("sku-2"), item("sku-3")) == [cart_id] * 2
    assert shopper.cart() == cart_id


@pytest.mark.parametrize("kept", ["cart_tracker=nonsense", "my_cart_tracker=" + "5" * 36])
def test_a_cookie_that_is_no_cart_is_replaced(enter: Enter, kept: str) -> None:
    shopper = enter()
    shopper.page.evaluate("(cookie) => { document.cookie = cookie + '; Path=/' }", kept)
    carts = shopper.added(item("sku-1"), item("sku-2"))
    assert carts == [shopper.cart()] * 2


def test_each_shop_has_a_cart_of_its_own(enter: Enter) -> None:
    first, second = enter(), enter(shop="shop-b")
    assert first.added(item("sku-1")) != second.added(item("sku-1"))


@pytest.mark.parametrize("shopping", ["none"], indirect=True)
def test_without_the_trackers_cookie_the_shops_own_is_enough(enter: Enter) -> None:
    shopper = enter()
    *old, _, new = shopper.added(item("sku-1"), item("sku-2"), item("sku-1"), RESET, item("sku-1"))
    assert len(set(old)) == 1
    assert old[0] != new == shopper.cart()
    assert shopper.trackers_cookie() == ""
    assert enter().added(item("sku-2")) == [new]


# -- A refusal -------------------------------------------------------------------------------------


def test_a_refused_add_rejects_with_the_problem_and_is_not_sent_again(
    enter: Enter, sites: Sites, complaints: Complaints
) -> None:
    complaints.expect("status of 400")
    shopper = enter()
    problem, cart_id = shopper.added(item("", price="9.99"), item("sku-1"))
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    assert problem["message"] == problem["detail"]
    found = {(error["pointer"], error["code"]) for error in problem["errors"]}
    assert found == {("/product_id", "blank"), ("/price", "not_an_integer")}
    assert shopper.stored(cart_id) == [("sku-1", None, None)]
    assert (len(sites.front.bodies()), shopper.waiting()) == (2, [])


def test_an_add_that_is_too_large_stops_nothing(enter: Enter, complaints: Complaints) -> None:
    """Browsers themselves refuse 64 KB that are to outlive the page."""
    complaints.expect("status of 413")
    large = [item("sku-1", name="x" * size) for size in (20_000, 70_000)]
    *problems, cart_id = enter().added(*large, item("sku-2"))
    assert [problem["status"] for problem in problems] == [413, 413]
    assert UUID(cart_id)


def test_nothing_is_ever_thrown_into_the_page(enter: Enter, complaints: Complaints) -> None:
    """Nor told to its console as an error that nobody caught."""
    complaints.expect("status of 400")
    shopper = enter()
    for bad in ("undefined", "{product_id: 1n}", "{get name() { throw 1 }}"):
        shopper.page.evaluate(f"() => {{ cartTracker.add({bad}) }}")
    assert UUID(shopper.added(item("sku-1"))[0])
    assert not [text for text in complaints.heard if text.startswith("script:")]


# -- Tabs ------------------------------------------------------------------------------------------


def test_two_tabs_at_once_fill_one_cart_in_the_order_of_clicks(
    enter: Enter, sites: Sites, complaints: Complaints
) -> None:
    """Whichever sends, both hear of what they asked for."""
    complaints.expect("status of 400")
    first, second = enter(), enter()
    sites.front.hold()
    first.add(item("sku-1", price=1))
    sites.front.wait_for_posts(1)
    second.add(item("sku-1", price=2), item("", price=3))
    first.add(item("sku-1", price=4), item("sku-2"))
    second.pass_time()
    assert len(sites.front.bodies()) == 1
    sites.front.normal()
    ends = first.ends(3) + second.ends(2)
    assert [kind for kind, _ in ends] == ["stored"] * 4 + ["refused"]
    assert ends[4][1]["errors"][0]["code"] == "blank"
    assert {cart_id for _, cart_id in ends[:4]} == {first.cart()}
    assert first.stored(first.cart()) == [("sku-1", None, 4), ("sku-2", None, None)]
    # A tab that takes over may not see yet what has just ended, and send it once more.
    prices = dict.fromkeys(body.get("price") for body in sites.front.bodies())
    assert list(prices) == [1, 2, 3, 4, None]


def test_what_another_tab_has_just_ended_is_not_sent_again(enter: Enter, sites: Sites) -> None:
    """A tab may see that an entry has its answer before it sees that it is gone."""
    shopper = enter()
    shopper.page.evaluate("localStorage['cart_tracker.1'] = '[true,{}]'")
    shopper.added(item("sku-1"))
    assert [body["product_id"] for body in sites.front.bodies()] == ["sku-1"]


def test_a_tab_that_is_closed_leaves_the_rest_to_the_other(enter: Enter, sites: Sites) -> None:
    first, second = enter(), enter()
    sites.front.hold()
    first.add(item("sku-1"))
    sites.front.wait_for_posts(1)
    second.add(item("sku-2"))
    first.page.close()
    sites.front.normal()
    [[_, cart_id]] = second.ends(1)
    assert [row[0] for row in second.stored(cart_id)] == ["sku-1", "sku-2"]
    second.wait_until_sent()


# -- The shop's page -------------------------------------------------------------------------------


def test_it_works_under_a_strict_policy(enter: Enter, sites: Sites) -> None:
    """No inline script, no eval: `complaints` would have heard of it."""
    policy = f"default-src 'none'; script-src {sites.tracker}; connect-src {sites.tracker}"
    shopper = enter(
        headers={"Content-Security-Policy": f"{policy}; require-trusted-types-for 'script'"}
    )
    assert UUID(shopper.added(item("sku-1"))[0])


def test_a_page_may_check_what_it_loads(enter: Enter, sites: Sites) -> None:
    """Subresource Integrity, under the name that never changes."""
    content = (PUBLIC / "cart-tracker.v1.js").read_bytes()
    name = f"cart-tracker.v1.{sha256(content).hexdigest()[:12]}.js"
    integrity = f"sha384-{b64encode(sha384(content).digest()).decode()}"
    source = f'src="{sites.tracker}/{name}" integrity="{integrity}" crossorigin'
    assert UUID(enter(f"<script {source} defer></script>").added(item("sku-1"))[0])


def test_a_second_tag_changes_nothing(enter: Enter) -> None:
    """The second is async, as a tag manager's are."""
    shopper = enter(
        f"{TAG}<script>addEventListener('load', () => {{ first = cartTracker }})</script>"
    )
    shopper.page.add_script_tag(url=f"{Sites.tracker}/cart-tracker.v1.js")
    assert shopper.page.evaluate("cartTracker === first")


def test_it_leaves_one_global_and_the_shops_storage_alone(enter: Enter) -> None:
    names = "Object.getOwnPropertyNames(window)"
    before = set(enter("").page.evaluate(names))
    shopper = enter()
    assert set(shopper.page.evaluate(names)) - before == {"cartTracker"}
    shopper.page.evaluate("localStorage.cart_tracker = localStorage.theirs = 'not JSON'")
    shopper.added(item("sku-1"))
    kept = shopper.page.evaluate("({...localStorage})")
    assert kept == {"cart_tracker": "not JSON", "theirs": "not JSON"}
