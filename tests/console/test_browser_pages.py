"""Every page of the console is accessible, fits every screen, and shows hostile texts as text."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.support.browser import HEIGHT, NARROW, WIDE, Complaints, Console, Scheme
from tests.support.console_rows import HOSTILE_TEXTS, PLACES

pytest_plugins = ["tests.support.browser"]
pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
# Without `preload`, for which axe would add its own elements to the page.
ALL_RULES: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
COLOURS = ALL_RULES | {"runOnly": ["color-contrast", "link-in-text-block"]}
SHOW_WHAT_SHOPS_SENT = {"dashboard", "hostile-cart", "items", "item", "live", "letters", "letter"}
SHOW_WHAT_SHOPS_SENT |= {"refusals", "audit", "erased"}
# Django makes links of the menu's headings.
APPS = {"/admin/auth/", "/admin/console/"}
# Only colours depend on both width and scheme.
LOOKS: list[tuple[int, Scheme, dict[str, Any]]] = [
    (WIDE, "light", ALL_RULES),
    (WIDE, "dark", COLOURS),
    (NARROW, "light", COLOURS),
    (NARROW, "dark", ALL_RULES),
]
# Fifty rows take axe five times as long as ten, and find nothing more.
ROWS_ALIKE = "document.querySelectorAll('tbody tr:nth-child(n+11)').forEach((row) => row.remove())"


@pytest.fixture(scope="module", autouse=True)
def _hostile_requests(console: Console) -> None:
    """Send hostile searches and items, which the console shows in its logs."""
    headers = {"Cookie": f"sessionid={console.sessions['lead']}"}
    for text in HOSTILE_TEXTS:
        address = f"/admin/find/?{urlencode({'q': text})}"
        assert console.server.request("GET", address, headers=headers).status == 302
        refused = console.server.request("POST", "/items", {"product_id": text, "price": text})
        assert refused.status == 400


def set_look(page: Page, width: int, scheme: Scheme) -> None:
    """Apply width and scheme, and finish all transitions of colours."""
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(color_scheme=scheme)
    page.evaluate("for (const each of document.getAnimations()) each.finish()")


def barriers(page: Page, options: dict[str, Any]) -> list[str]:
    """Return the serious violations that axe finds: the rule, and where it is broken."""
    found: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def is_too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.scrollingElement.scrollWidth > innerWidth"))


@pytest.mark.parametrize("name", PLACES)
def test_a_page_is_accessible_and_fits(visit: Visit, complaints: Complaints, name: str) -> None:
    """Check light and dark, wide and narrow. `complaints` fails it if a hostile name does harm."""
    place = PLACES[name]
    if place.status != 200:
        complaints.expect(f"status of {place.status}")
    page = visit(place.path, account=place.account)
    if name in SHOW_WHAT_SHOPS_SENT:
        expect(page.get_by_text(HOSTILE_TEXTS[0]).first).to_be_visible()
    too_wide = []
    for width in (WIDE, NARROW):
        set_look(page, width, "light")
        too_wide += [width] if is_too_wide(page) else []
    page.evaluate(ROWS_ALIKE)
    found = []
    for width, scheme, options in LOOKS:
        set_look(page, width, scheme)
        found += [f"{width} {scheme} {each}" for each in barriers(page, options)]
    assert (too_wide, found) == ([], [])


def test_no_page_of_the_menu_is_left_out(visit: Visit) -> None:
    menu = visit("/admin/", account="admin").locator("#nav-sidebar th a, #nav-sidebar caption a")
    offered = {(link.get_attribute("href") or "").removesuffix("?") for link in menu.all()}
    assert "/admin/live/" in offered
    assert offered <= {place.path for place in PLACES.values()} | APPS
