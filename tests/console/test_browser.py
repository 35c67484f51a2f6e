"""A support person's day in a real browser: logging in, finding, paging, and keys alone."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Complaints, Console
from tests.support.console_rows import BIG_CART, BOOTS, MANY_CARTS, PASSWORD, SMALL_CART, TWIN_CARTS

pytest_plugins = ["tests.support.browser"]
pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
CARTS, ITEMS = "/admin/tracker/cart/", "/admin/tracker/item/"


def find(page: Page, term: str) -> None:
    box = page.get_by_role("searchbox", name="Find a cart or a product")
    box.fill(term)
    box.press("Enter")


def follow(page: Page, link: str) -> None:
    """Follow a link, and wait for the page with all its rows."""
    with page.expect_navigation(wait_until="domcontentloaded"):
        page.get_by_role("link", name=link, exact=True).click()


def short_codes(page: Page) -> list[str]:
    return page.locator("#result_list tbody .field-short_code").all_inner_texts()


def test_a_person_logs_in_and_out(visit: Visit) -> None:
    page = visit(CARTS, account="")
    page.get_by_label("Username").fill("support")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(f"{CARTS}$"))
    page.get_by_role("button", name="Log out").click()
    page.goto(CARTS)
    expect(page).to_have_url(re.compile("/admin/login/"))


def test_a_wrong_password_is_reported(visit: Visit) -> None:
    page = visit(CARTS, account="")
    page.get_by_label("Username").fill("support")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()


TEXT = str(SMALL_CART)


@pytest.mark.parametrize(
    "pasted",
    [
        f"  {TEXT.upper()}\t",
        f"https://shop.example/orders?cart={TEXT}&step=2",
        f"#{SMALL_CART.hex[-8:].upper()}",
    ],
)
def test_a_pasted_id_leads_to_its_cart(visit: Visit, pasted: str) -> None:
    """The other forms are in test_search.py."""
    page = visit("/admin/find/", account="support")
    find(page, pasted)
    expect(page).to_have_url(re.compile(rf"/cart/{TEXT}/change/$"))
    expect(page.locator("#cart-id")).to_have_text(TEXT)


def test_a_shared_code_lists_its_carts(visit: Visit) -> None:
    page = visit("/admin/find/")
    find(page, TWIN_CARTS[0].hex[-8:])
    expect(page.locator("#result_list tbody tr")).to_have_count(2)


@pytest.mark.parametrize(
    ("term", "found"),
    [("winter-boots", ["winter-boots"]), ("winter-boots-", BOOTS[1:3]), ("Winter", [BOOTS[3]])],
)
def test_a_product_is_found_exactly_or_by_its_beginning(
    visit: Visit, term: str, found: list[str]
) -> None:
    page = visit("/admin/find/")
    find(page, term)
    expect(page.locator("#result_list tbody .field-product_id")).to_have_text(found)


def test_nothing_found_says_what_can_be_typed(visit: Visit) -> None:
    page = visit("/admin/find/")
    find(page, "<b>no such product</b>")
    expect(page.get_by_text("Nothing was found for <b>no such product</b>.")).to_be_visible()
    expect(page.get_by_text("the last 8 digits of its id")).to_be_visible()


def walk(page: Page, link: str, console: Console) -> list[str]:
    """Return the rows of all pages from here on. A cart is added at each step."""
    seen = short_codes(page)
    while page.get_by_role("link", name=link, exact=True).count():
        assert console.server.add(product_id="meanwhile").status == 200
        follow(page, link)
        seen += short_codes(page)
    return seen


def test_pages_neither_repeat_nor_lose_rows_while_carts_come_in(
    visit: Visit, console: Console
) -> None:
    """Twenty pages forward and back."""
    page = visit(CARTS)
    before = {cart_id.hex[-8:] for cart_id in MANY_CARTS}
    assert len(before) == len(MANY_CARTS)
    forward = walk(page, "Next", console)
    backward = walk(page, "Previous", console)
    assert len(forward) > 20 * 50
    for seen in (forward, backward):
        ours = [code for code in seen if code in before]
        assert len(ours) == len(before) == len(set(ours))


def test_a_cart_of_20000_items_opens_and_pages(visit: Visit) -> None:
    page = visit(f"/admin/tracker/cart/{BIG_CART}/change/", account="support")
    expect(page.locator(".facts")).to_contain_text("20,000")
    seen: list[str] = []
    for _ in range(3):
        seen += page.locator(".results tbody th").all_inner_texts()
        follow(page, "Older")
    assert seen == [f"bulk-{number:05}" for number in range(150)]


def test_a_missing_cart_is_explained(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("status of 404")
    page = visit(f"{CARTS}{UUID(int=5)}/change/")
    expect(page.get_by_text("It may have been erased.")).to_be_visible()
