"""A support person's work in a browser: watching, exporting and erasing, also by keyboard."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import NARROW, Complaints, Console
from tests.support.console_rows import DOOMED_CARTS, HOSTILE_CART, HOSTILE_TEXTS, SMALL_CART, cart

pytest_plugins = ["tests.support.browser"]
pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
CARTS, ITEMS, LIVE = "/admin/tracker/cart/", "/admin/tracker/item/", "/admin/live/"
LIVE_WITHIN_MS = 3_000


def watch(visit: Visit) -> Page:
    """Open the live view, and wait until it polls. The test controls its clock."""
    page = visit("/admin/find/")
    page.clock.install()
    page.goto(LIVE)
    expect(page.get_by_role("status")).to_contain_text("Live.")
    return page


def test_an_add_shows_up_in_the_live_view_within_three_seconds(
    visit: Visit, console: Console
) -> None:
    page = watch(visit)
    name = HOSTILE_TEXTS[0]
    added = console.server.add(product_id="watched", name=name, price=1299).json()
    page.clock.run_for(LIVE_WITHIN_MS)
    row = page.locator("#live-rows tr").first
    expect(row).to_contain_text("watched")
    expect(row).to_contain_text(name)
    expect(row).to_contain_text("12.99 USD")
    row.get_by_role("link", name=added["cart_id"][-8:]).click()
    expect(page.locator("#cart-id")).to_have_text(added["cart_id"])


def test_the_space_bar_pauses_the_live_view(visit: Visit, console: Console) -> None:
    page = watch(visit)
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_contain_text("Paused")
    console.server.add(product_id="while-paused")
    page.clock.run_for(10 * LIVE_WITHIN_MS)
    expect(page.get_by_text("while-paused")).to_have_count(0)
    page.keyboard.press("Space")
    expect(page.get_by_text("while-paused")).to_be_visible()


def rows_of(page: Page, directory: Path) -> list[list[str]]:
    """Export the list that is open, and read the file."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    path = directory / download.value.suggested_filename
    download.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_a_list_is_exported_as_it_is_selected(visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{CARTS}?state=stale")
    head, *stale = rows_of(page, tmp_path)
    page.goto(CARTS)
    _, *every = rows_of(page, tmp_path)
    assert head[0] == "cart_id"
    assert 0 < len(stale) < len(every)
    assert {tuple(row) for row in stale} <= {tuple(row) for row in every}
    expect(page.locator("nav.paginator")).to_contain_text(f"{len(every):,} carts")


def test_an_export_runs_no_formula(visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{ITEMS}?q={HOSTILE_CART}")
    _, *rows = rows_of(page, tmp_path)
    cells = [cell for row in rows for cell in row]
    assert HOSTILE_TEXTS[0] in cells
    assert not [cell for cell in cells if re.match(r"[=+@\t\r-]", cell)]


def test_a_cart_is_erased_once_its_code_is_typed(visit: Visit, complaints: Complaints) -> None:
    doomed = DOOMED_CARTS[0]
    page = visit(cart(doomed))
    page.get_by_role("link", name="Erase").click()
    page.get_by_label("Reason").select_option("test data")
    page.get_by_label("The cart's code").fill(DOOMED_CARTS[1].hex[-8:])
    page.get_by_role("button", name="Erase permanently").click()
    expect(page.get_by_text("Nothing was erased")).to_be_visible()
    page.get_by_label("The cart's code").fill(doomed.hex[-8:])
    page.get_by_role("button", name="Erase permanently").click()
    expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    expect(page.locator(".facts").first).to_contain_text("test data")
    expect(page.locator("main")).not_to_contain_text(str(doomed))
    complaints.expect("status of 404")
    page.goto(cart(doomed))
    expect(page.get_by_text("It may have been erased.")).to_be_visible()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def test_the_search_and_the_pages_of_a_list_have_keys(visit: Visit) -> None:
    page = visit(CARTS, account="support")
    first = page.url
    press(page, "ArrowRight")
    page.wait_for_url("**after=*")
    press(page, "ArrowLeft")
    page.wait_for_url("**before=*")
    assert page.url != first
    press(page, "/")
    page.keyboard.type(str(SMALL_CART))
    press(page, "ArrowLeft", "Enter")  # In the box, the arrow moves the cursor.
    page.wait_for_url(f"**{cart(SMALL_CART)}")


def test_tab_reaches_the_content_first_and_everything_after_it(visit: Visit) -> None:
    page = visit(CARTS)
    press(page, "Tab")
    assert focused(page) == "Skip to main content"
    press(page, "Enter", "Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    reached = set()
    for _ in range(30):
        reached.add(focused(page))
        press(page, "Tab")
    assert {"Active", "Stale"} <= reached
    assert any(re.fullmatch("[0-9a-f]{8}", text) for text in reached)


def test_the_menu_is_a_link_away_on_a_small_screen(visit: Visit) -> None:
    page = visit(CARTS, width=NARROW)
    page.get_by_role("link", name="Menu").click()
    live = page.locator("#nav-sidebar").get_by_role("link", name="Live")
    expect(live).to_be_in_viewport()
    live.click()
    page.wait_for_url(f"**{LIVE}")
