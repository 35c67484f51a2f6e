"""The snippet when something is in the way: no network, no tracker, no answer, or no time left."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.support.browser import Complaints
from tests.support.live import wait_for
from tests.support.sites import RESET, TAG, Shopper, Sites, item

pytest_plugins = ["tests.support.browser", "tests.support.sites"]
pytestmark = pytest.mark.browser

Enter = Callable[..., Shopper]
_TAKE_THE_LOCK = """new Promise((taken) => {
  navigator.locks.request("cart_tracker", () => { taken(); return new Promise(() => {}); });
})"""


@pytest.fixture
def enter(sites: Sites, visitor: BrowserContext, complaints: Complaints) -> Enter:
    """Opens a tab of the shop. What fails on purpose is no complaint."""
    complaints.expect("Failed to load resource|^request: POST")

    def open_tab(**page: Any) -> Shopper:
        return Shopper(sites, visitor, sites.page("shop-a", "/", TAG, **page))

    return open_tab


@pytest.fixture
def clocked(enter: Enter, visitor: BrowserContext) -> Shopper:
    """A tab whose time passes only by `page.clock`."""
    visitor.clock.install()
    shopper = enter()
    shopper.page.clock.pause_at("2040-01-01")
    shopper.pass_time()
    return shopper


def posts(sites: Sites) -> int:
    return len(sites.front.bodies())


# -- Sent again ------------------------------------------------------------------------------------


def test_what_is_added_offline_goes_out_when_the_network_is_back(
    clocked: Shopper, visitor: BrowserContext
) -> None:
    """At once: no time passes for this page."""
    visitor.set_offline(True)
    clocked.add(item("sku-1", price=1), item("sku-2"), item("sku-1", price=2))
    assert [body["product_id"] for body in clocked.waiting()] == ["sku-1", "sku-2", "sku-1"]
    visitor.set_offline(False)
    carts = {cart_id for _, cart_id in clocked.ends(3)}
    assert carts == {clocked.cart()}
    assert clocked.stored(clocked.cart()) == [("sku-1", None, 2), ("sku-2", None, None)]
    assert clocked.waiting() == []


def test_the_next_page_sends_what_an_earlier_one_could_not(enter: Enter, sites: Sites) -> None:
    """Also what was added around an order, each into its own cart."""
    shopper = enter()
    sites.front.refuse()
    shopper.add(item("sku-1"))
    old = shopper.cart()
    shopper.add(RESET, item("sku-2"))
    new = shopper.cart()
    shopper.page.reload()
    assert [body.get("cart_id") for body in shopper.waiting()] == [old, None, new]
    sites.front.normal()
    # Not in its HTML, but as a tag manager loads it.
    shopper.page.goto(sites.page("shop-a", "/thanks", ""))
    shopper.page.add_script_tag(url=f"{sites.tracker}/cart-tracker.v1.js")
    shopper.wait_until_sent()
    assert (shopper.stored(old), shopper.stored(new)) == (
        [("sku-1", None, None)],
        [("sku-2", None, None)],
    )
    assert shopper.cart() == shopper.trackers_cookie() == new


def test_it_asks_again_at_growing_intervals(clocked: Shopper, sites: Sites) -> None:
    """1, 2, 4, 8 s, each 50 % more or less. Then what waits goes out in its order."""
    sites.front.fail_with(503)
    clocked.add(item("sku-1", price=1), item("sku-1", price=2))
    clock = clocked.page.clock
    for number, delay_s in enumerate((1, 2, 4, 8), 1):
        sites.front.wait_for_posts(number)
        clocked.pass_time()
        clock.fast_forward(499 * delay_s)
        clocked.pass_time()
        assert posts(sites) == number
        clock.fast_forward(1001 * delay_s)
    sites.front.wait_for_posts(5)
    clocked.pass_time()
    sites.front.normal()
    clock.fast_forward(24_000)
    assert len(clocked.ends(2)) == 2
    assert [body["price"] for body in sites.front.bodies()] == [1] * 6 + [2]
    assert clocked.stored(clocked.cart()) == [("sku-1", None, 2)]


def test_it_waits_a_minute_and_a_half_at_most(clocked: Shopper, sites: Sites) -> None:
    sites.front.fail_with(503)
    clocked.add(item("sku-1"))
    for number in range(1, 10):
        sites.front.wait_for_posts(number)
        clocked.pass_time()
        clocked.page.clock.fast_forward(90_000)
    sites.front.wait_for_posts(10)


@pytest.mark.parametrize(
    ("status", "event"), [(408, "online"), (429, "online"), (500, "online"), (502, "pageshow")]
)
def test_these_are_no_last_word_either(
    clocked: Shopper, sites: Sites, status: int, event: str
) -> None:
    """A page that comes out of the browser's cache tries again, like a new one."""
    sites.front.fail_with(status)
    clocked.add(item("sku-1"))
    sites.front.wait_for_posts(1)
    clocked.add(item("sku-2"))
    clocked.pass_time()
    # A click does not end the wait.
    assert (posts(sites), len(clocked.waiting())) == (1, 2)
    sites.front.normal()
    clocked.hear_of(event)
    assert clocked.ends(2) == [["stored", clocked.cart()]] * 2
    assert clocked.stored(clocked.cart()) == [("sku-1", None, None), ("sku-2", None, None)]


def test_an_answer_that_was_lost_is_asked_for_again(enter: Enter, sites: Sites) -> None:
    shopper = enter()
    sites.front.lose_answers()
    shopper.add(item("sku-1"))
    sites.front.wait_for_posts(1)
    cart_id = shopper.cart()
    wait_for(lambda: shopper.stored(cart_id))
    sites.front.normal()
    shopper.hear_of("online")
    assert shopper.ends(1) == [["stored", cart_id]]
    assert shopper.stored(cart_id) == [("sku-1", None, None)]


def test_a_tracker_that_never_answers_is_asked_again_after_half_a_minute(
    clocked: Shopper, sites: Sites
) -> None:
    sites.front.hold()
    clocked.add(item("sku-1"))
    sites.front.wait_for_posts(1)
    clocked.page.clock.fast_forward(30_000)
    clocked.pass_time()
    clocked.page.clock.fast_forward(1_500)
    sites.front.wait_for_posts(2)
    sites.front.normal()
    assert clocked.ends(1) == [["stored", clocked.cart()]]


def test_a_frozen_tab_with_the_lock_does_not_stop_the_others(
    clocked: Shopper, enter: Enter, sites: Sites
) -> None:
    frozen = enter()
    frozen.page.evaluate(_TAKE_THE_LOCK)
    clocked.add(item("sku-1"))
    clocked.pass_time()
    assert posts(sites) == 0
    clocked.page.clock.fast_forward(40_000)
    assert clocked.ends(1) == [["stored", clocked.cart()]]


# -- The page is left ------------------------------------------------------------------------------


def test_a_click_that_leads_away_is_stored(enter: Enter) -> None:
    """The visitor never comes back; nor does any other page of the shop."""
    shopper = enter()
    shopper.add_and_leave(item("sku-1", price=1))
    cart_id = wait_for(shopper.cart)
    wait_for(lambda: shopper.stored(cart_id) == [("sku-1", None, 1)])


def test_several_clicks_that_lead_away_are_stored_as_they_add_up(
    enter: Enter, sites: Sites
) -> None:
    """All go out at once, in no order: so what is of one product goes as one."""
    shopper = enter()
    sites.front.hold()
    shopper.add(item("sku-3"))
    sites.front.wait_for_posts(1)
    prices = [item("sku-1", price=price) for price in (1, 2)]
    shopper.add_and_leave(item("sku-1", name="Socks"), item("sku-2"), *prices)
    sites.front.wait_for_posts(3)
    cart_id = shopper.cart()
    expected = [("sku-1", "Socks", 2), ("sku-2", None, None), ("sku-3", None, None)]
    wait_for(lambda: sorted(shopper.stored(cart_id)) == expected)
    assert sorted(body["product_id"] for body in sites.front.bodies()) == [
        "sku-1",
        "sku-2",
        "sku-3",
    ]


def test_what_waits_for_another_tab_goes_out_when_its_own_is_left(
    enter: Enter, sites: Sites
) -> None:
    first, second = enter(), enter()
    sites.front.hold()
    first.add(item("sku-1"))
    sites.front.wait_for_posts(1)
    second.add_and_leave(item("sku-2"))
    wait_for(lambda: len(second.stored(first.cart())) == 2)


def test_what_the_page_was_left_with_is_sent_again_and_does_no_harm(
    enter: Enter, sites: Sites
) -> None:
    shopper = enter()
    sites.front.hold()
    shopper.add(item("sku-1", price=1), item("sku-1", price=2))
    sites.front.wait_for_posts(1)
    shopper.page.reload()
    shopper.add(item("sku-1", price=3))
    sites.front.normal()
    shopper.wait_until_sent()
    assert shopper.stored(shopper.cart()) == [("sku-1", None, 3)]


def test_nothing_goes_ahead_of_a_reset(enter: Enter, sites: Sites) -> None:
    """Beside it, an add for the new cart would go out with the old one's cookie (R1)."""
    shopper = enter()
    [old] = shopper.added(item("sku-1"))
    sites.front.hold()
    shopper.add(item("sku-2"))
    sites.front.wait_for_posts(2)
    shopper.add_and_leave(RESET, item("sku-3"))
    new = shopper.cart()
    sites.front.wait_for_posts(1, "/items/reset")
    sites.front.normal()
    shopper.page.goto(shopper.url)
    shopper.wait_until_sent()
    assert [row[0] for row in shopper.stored(old)] == ["sku-1", "sku-2"]
    assert [row[0] for row in shopper.stored(new)] == ["sku-3"]
    assert shopper.cart() == shopper.trackers_cookie() == new
