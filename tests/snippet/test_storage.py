"""What the snippet keeps in the browser, and when it forgets: consent, orders, and no room."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext

from tests.support.browser import Complaints
from tests.support.live import wait_for
from tests.support.sites import RESET, TAG, WITH_CONSENT, Shopper, Sites, item

pytest_plugins = ["tests.support.browser", "tests.support.sites"]
pytestmark = pytest.mark.browser

FAILURES = "Failed to load resource|^request: POST"
Enter = Callable[..., Shopper]


@pytest.fixture
def enter(sites: Sites, visitor: BrowserContext) -> Enter:
    def open_tab(html: str = WITH_CONSENT) -> Shopper:
        return Shopper(sites, visitor, sites.page("shop-a", "/", html))

    return open_tab


def consent(shopper: Shopper, given: bool) -> None:
    shopper.page.evaluate("(given) => cartTracker.consent(given)", given)


def kept(shopper: Shopper) -> list[object]:
    """All that the browser holds, of the shop and of the tracker."""
    return [*shopper.context.cookies(), *shopper.page.evaluate("Object.keys(localStorage)")]


def asked(sites: Sites) -> list[str]:
    return [each.path for each in sites.front.seen if each.method == "POST"]


# -- Consent --------------------------------------------------------------------------------------


def test_before_consent_nothing_is_sent_or_stored(enter: Enter, sites: Sites) -> None:
    shopper = enter()
    shopper.add(item("sku-1"), RESET, item("sku-2"))
    shopper.pass_time()
    assert (asked(sites), kept(shopper)) == ([], [])
    shopper.add_and_leave(item("sku-3"))
    shopper.page.goto(shopper.url)
    shopper.pass_time()
    assert (asked(sites), kept(shopper)) == ([], [])


def test_with_consent_what_was_held_goes_out(enter: Enter, sites: Sites) -> None:
    shopper = enter()
    shopper.add(item("sku-1", price=1), item("sku-2"), item("sku-1", price=2))
    consent(shopper, True)
    assert {cart_id for _, cart_id in shopper.ends(3)} == {shopper.cart()}
    assert shopper.stored(shopper.cart()) == [("sku-1", None, 2), ("sku-2", None, None)]


def test_with_consent_what_was_held_outlives_the_page(
    enter: Enter, sites: Sites, complaints: Complaints
) -> None:
    complaints.expect(FAILURES)
    shopper = enter()
    shopper.add(item("sku-1"))
    sites.front.refuse()
    shopper.page.evaluate("cartTracker.consent(true)")
    assert [body["cart_id"] for body in shopper.waiting()] == [shopper.cart()]


def test_an_order_before_consent_parts_the_carts_too(enter: Enter) -> None:
    shopper = enter()
    shopper.add(item("sku-1"), RESET, item("sku-2"))
    consent(shopper, True)
    (_, old), _, (_, new) = shopper.ends(3)
    assert old != new == shopper.cart()


def test_without_consent_what_was_held_is_forgotten(enter: Enter, sites: Sites) -> None:
    shopper = enter()
    shopper.add(item("sku-1"))
    consent(shopper, False)
    assert shopper.ends(1) == [
        ["refused", {"message": "cart-tracker: no consent", "detail": "cart-tracker: no consent"}]
    ]
    consent(shopper, True)
    shopper.pass_time()
    assert (asked(sites), kept(shopper), shopper.code()) == ([], [], "")


@pytest.mark.parametrize("html", [TAG, WITH_CONSENT])
def test_taken_back_all_that_is_stored_goes(enter: Enter, sites: Sites, html: str) -> None:
    """In the shop and, by a reset, in the tracker's own cookie. Nothing is sent from then on."""
    shopper = enter(html)
    consent(shopper, True)
    [old] = shopper.added(item("sku-1"))
    sites.front.hold()
    shopper.add(item("sku-2"), item("sku-3"))
    sites.front.wait_for_posts(2)
    consent(shopper, False)
    sites.front.normal()
    sites.front.wait_for_posts(1, "/items/reset")
    wait_for(lambda: not shopper.trackers_cookie())
    shopper.add(item("sku-4"))
    shopper.pass_time()
    assert (asked(sites), kept(shopper)) == (["/items", "/items", "/items/reset"], [])
    consent(shopper, True)
    assert shopper.ends(4)[3] == ["stored", shopper.cart()] != ["stored", old]


def test_each_page_waits_for_consent_with_the_cart_that_it_finds(
    enter: Enter, sites: Sites
) -> None:
    shopper = enter()
    consent(shopper, True)
    [cart_id] = shopper.added(item("sku-1"))
    shopper.page.reload()
    shopper.add(item("sku-2"))
    shopper.pass_time()
    assert asked(sites) == ["/items"]
    consent(shopper, True)
    assert shopper.ends(1) == [["stored", cart_id]]


# -- After an order --------------------------------------------------------------------------------


def test_a_reset_stands_between_two_carts(enter: Enter, sites: Sites) -> None:
    """R9. All in one moment: what was added before it still goes into the old cart."""
    shopper = enter(TAG)
    [old] = shopper.added(item("sku-1"))
    also_old, _, new, also_new = shopper.added(item("sku-2"), RESET, item("sku-1"), item("sku-3"))
    assert also_old == old != new == also_new
    assert shopper.stored(old) == [("sku-1", None, None), ("sku-2", None, None)]
    assert shopper.stored(new) == [("sku-1", None, None), ("sku-3", None, None)]
    assert new == shopper.cart() == shopper.trackers_cookie()
    paths = [asked.path for asked in sites.front.seen if asked.method == "POST"]
    assert paths == ["/items", "/items", "/items/reset", "/items", "/items"]


def test_a_late_answer_does_not_bring_the_old_cart_back(
    enter: Enter, sites: Sites, complaints: Complaints
) -> None:
    """Not even until the reset is through."""
    complaints.expect("status of 503")
    shopper = enter(TAG)
    sites.front.hold()
    shopper.add(item("sku-1"), RESET)
    sites.front.wait_for_posts(1)
    sites.front.fail_with(503)  # For the reset: the add has its answer now.
    [[_, old]] = shopper.ends(1)
    assert (shopper.cart(), shopper.code()) == ("", "")
    sites.front.normal()
    shopper.hear_of("online")
    shopper.ends(2)
    assert (shopper.cart(), shopper.trackers_cookie()) == ("", "")
    [new] = shopper.added(item("sku-1"))
    assert new != old


def test_a_reset_counts_in_all_tabs(enter: Enter) -> None:
    first, second = enter(TAG), enter(TAG)
    [old] = first.added(item("sku-1"))
    assert second.added(item("sku-2"), RESET)[0] == old
    assert first.added(item("sku-3")) == [second.cart()] != [old]


# -- Room ------------------------------------------------------------------------------------------


def test_more_than_a_hundred_that_wait_are_refused_and_the_others_kept(
    enter: Enter, sites: Sites, complaints: Complaints
) -> None:
    complaints.expect(FAILURES)
    shopper = enter(TAG)
    sites.front.refuse()
    shopper.add(*[item(f"sku-{number}") for number in range(101)])
    assert shopper.ends(1) == [["refused", {"message": "cart-tracker: 100 adds are waiting"}]]
    shopper.add(RESET)
    assert len(shopper.waiting()) == 101
    old = shopper.waiting()[0]["cart_id"]
    sites.front.normal()
    shopper.hear_of("online")
    shopper.ends(102)
    assert [row[0] for row in shopper.stored(old)] == [f"sku-{number}" for number in range(100)]


# What the browser itself then says: there is no room.
_FILL = """() => {
  for (let size = 2 ** 22; size >= 1; size /= 2)
    for (let n = 0; ; n++) try { localStorage[`${size}-${n}`] = "x".repeat(size) } catch { break }
}"""
_BLOCK = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("Access is denied for this document.", "SecurityError") },
})"""


def test_a_full_storage_is_done_without(
    enter: Enter, visitor: BrowserContext, complaints: Complaints
) -> None:
    complaints.expect(FAILURES)
    shopper = enter(TAG)
    shopper.page.evaluate(_FILL)
    visitor.set_offline(True)
    shopper.add(item("sku-1", price=1), item("sku-1", price=2))
    assert shopper.waiting() == []
    visitor.set_offline(False)
    shopper.ends(2)
    assert shopper.stored(shopper.cart()) == [("sku-1", None, 2)]


def test_a_blocked_storage_is_done_without(
    enter: Enter, visitor: BrowserContext, sites: Sites
) -> None:
    visitor.add_init_script(_BLOCK)
    shopper = enter(TAG)
    [old] = shopper.added(item("sku-1"))
    shopper.add_and_leave(item("sku-2"), RESET)
    wait_for(lambda: len(shopper.stored(old)) == 2)
    sites.front.wait_for_posts(1, "/items/reset")
