"""The demo shop (/demo/), and the debug toolbar over the adds that it sends."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.test_browser_pages import LOOKS, barriers, is_too_wide, set_look
from tests.core.test_settings import manage
from tests.support.browser import (
    SHOP,
    Complaints,
    Console,
    add_from_shelf,
    debugging,
    send_a_bad_item,
    show_sql,
    switch_to_the_post,
)

pytest_plugins = ["tests.support.browser"]
pytestmark = [pytest.mark.browser]

Visit = Callable[..., Page]
TOOLBAR_FOLLOWS = "djdt-request-id"


@pytest.fixture(scope="module")
def console(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]
) -> Iterator[Console]:
    var_dir = str(tmp_path_factory.mktemp("var"))
    with debugging(var_dir=var_dir, database_url=new_database()) as running:
        yield running


def test_an_answer_is_shown_and_leads_to_the_cart(visit: Visit) -> None:
    page = visit(SHOP)
    cart_id = add_from_shelf(page)
    expect(page.locator("#state")).to_have_text(re.compile(r"200 OK, \d+ ms"))
    expect(page.locator("#cart")).to_have_text(f"Cart {cart_id[-8:]}")
    link = page.get_by_role("link", name="In the console")
    expect(link).to_have_attribute("href", f"/admin/tracker/cart/{cart_id}/change/")


def test_adds_go_into_one_cart_until_it_is_ordered(visit: Visit) -> None:
    page = visit(SHOP)
    assert (first := add_from_shelf(page, 0)) == add_from_shelf(page, 1)
    page.get_by_role("button", name="Order").click()
    expect(page.locator("#answers > li").first).to_contain_text("204 No Content")
    expect(page.locator("#cart")).to_have_text("No cart yet.")
    assert add_from_shelf(page, 2) != first


def test_a_bad_item_shows_the_whole_problem(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("status of 400")
    answer = send_a_bad_item(visit(SHOP))
    for text in ("price must be a whole number", "/price: not_an_integer", "/product_id: blank"):
        expect(answer).to_contain_text(text)


def test_the_toolbar_switches_to_an_add_by_itself(visit: Visit) -> None:
    page = visit(SHOP)
    expect(page.locator("#djdt-SQLPanel")).to_contain_text("0 queries", use_inner_text=False)
    add_from_shelf(page)
    expect(page.locator("#djdt-RequestPanel")).to_contain_text("items", use_inner_text=False)
    page.locator("#djShowToolBarButton").click()
    show_sql(page)
    expect(page.locator("#SQLPanel")).to_contain_text("INSERT INTO tracker_item")


def test_a_post_is_profiled_through_the_history(visit: Visit) -> None:
    page = visit(SHOP)
    cart_id = add_from_shelf(page)
    page.reload()
    switch_to_the_post(page)
    show_sql(page)
    statements = page.locator("#SQLPanel")
    expect(statements).to_contain_text("INSERT INTO tracker_cart")
    expect(statements).to_contain_text("INSERT INTO tracker_item")
    expect(statements).to_contain_text(cart_id)
    page.locator("a.HeadersPanel").click()
    expect(page.locator("#HeadersPanel")).to_contain_text("X-Request-ID")


def test_an_add_is_in_the_live_view_within_three_seconds(visit: Visit) -> None:
    live = visit("/admin/find/")
    live.clock.install()
    live.goto("/admin/live/")
    expect(live.locator("#live-state")).to_contain_text("Live.")
    cart_id = add_from_shelf(visit(SHOP, account=""))
    live.clock.run_for(3_000)
    row = live.locator("#live-rows tr", has_text=cart_id[-8:])
    expect(row).to_contain_text("138.95 USD")


def test_the_toolbar_follows_adds_but_not_the_live_views_requests(console: Console) -> None:
    """The live view asks every 2 seconds, and would close the panel that is open."""
    headers = {"Cookie": f"sessionid={console.sessions['lead']}"}
    asked = console.server.request("GET", "/admin/live/adds/", headers=headers)
    assert asked.status == 200
    assert TOOLBAR_FOLLOWS not in asked.headers
    assert TOOLBAR_FOLLOWS in console.server.add(product_id="sku-1").headers


def test_the_page_is_there_for_everybody(visit: Visit, complaints: Complaints) -> None:
    """Check it in light and dark, wide and narrow, with an answer of each kind on it."""
    complaints.expect("status of 400")
    page = visit(SHOP)
    add_from_shelf(page)
    send_a_bad_item(page)
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    page.evaluate("document.querySelector('#djDebugRoot').hidden = true")
    found = []
    for width, scheme, options in LOOKS:
        set_look(page, width, scheme)
        found += [f"{width} {scheme} {each}" for each in barriers(page, options)]
        assert not is_too_wide(page), width
    assert found == []


def test_the_page_says_if_the_script_did_not_load(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("ERR_FAILED")
    page = visit("/admin/find/")
    page.route("**/cart-tracker.v1.js", lambda route: route.abort())
    page.goto(SHOP)
    expect(page.locator("#state")).to_have_text("/cart-tracker.v1.js did not load.")


def test_the_page_has_the_consoles_policy(console: Console) -> None:
    shop, login = (
        console.server.request("GET", path).headers["Content-Security-Policy"]
        for path in (SHOP, "/admin/login/")
    )
    assert shop == login


@pytest.mark.parametrize(
    "environment",
    [{"DEBUG": "0"}, {"DEBUG": "1", "ROLE": "storefront"}, {"DEBUG": "1", "ROLE": "console"}],
    ids=str,
)
def test_it_is_not_there_without_debug_or_in_a_role_alone(environment: dict[str, str]) -> None:
    code = (
        "from django.test import Client;"
        f"print(Client(headers={{'host': 'localhost'}}).get('{SHOP}').status_code)"
    )
    result = manage("shell", "--no-imports", "-c", code, **environment)
    assert result.stdout.strip() == "404", result.stderr
