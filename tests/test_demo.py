"""The demo shop (/demo/), and the debug toolbar over the adds that it sends."""

import re
import socket
from collections.abc import Callable, Iterator

import pytest
from django.test import Client, RequestFactory
from playwright.sync_api import Browser, Page, expect

from middleware.toolbar import REQUEST_ID_HEADER, updates_the_page
from tests.browser import Complaints, Console
from tests.shop import SHOP, add, debugging, send_a_bad_item, show_sql, switch_to_the_post
from tests.test_console_browser_pages import LOOKS, barriers, is_too_wide, settle
from tests.test_settings import manage

pytest_plugins = ["tests.browser_fixtures"]
pytestmark = [pytest.mark.browser, pytest.mark.once]

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def console(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]
) -> Iterator[Console]:
    var_dir = str(tmp_path_factory.mktemp("var"))
    with debugging(var_dir=var_dir, database_url=new_database()) as running:
        yield running


@pytest.fixture(params=["one origin", "across origins"])
def shop(request: pytest.FixtureRequest, visit: Visit, console: Console) -> Page:
    """The page at 127.0.0.1, with its tracker there or at localhost."""
    return visit(SHOP if request.param == "one origin" else across_origins(console))


def across_origins(console: Console) -> str:
    return f"{SHOP}?tracker=http://localhost:{console.server.port}"


def test_an_answer_is_shown_and_leads_to_the_cart(shop: Page) -> None:
    cart_id = add(shop)
    expect(shop.locator("#state")).to_have_text(re.compile(r"200 OK, \d+ ms"))
    expect(shop.locator("#cart")).to_have_text(f"Cart {cart_id[:8]}")
    link = shop.get_by_role("link", name="In the console")
    assert str(link.get_attribute("href")).endswith(f"/admin/tracker/cart/{cart_id}/change/")


def test_adds_go_into_one_cart_until_it_is_ordered(shop: Page) -> None:
    assert (first := add(shop, 0)) == add(shop, 1)
    shop.get_by_role("button", name="Order").click()
    expect(shop.locator("#answers > li").first).to_contain_text("204 No Content")
    expect(shop.locator("#cart")).to_have_text("No cart yet.")
    assert add(shop, 2) != first


def test_a_bad_item_shows_the_whole_problem(shop: Page, complaints: Complaints) -> None:
    complaints.expect("status of 400")
    answer = send_a_bad_item(shop)
    for text in ("price must be a whole number", "/price: not_an_integer", "/product_id: blank"):
        expect(answer).to_contain_text(text)


def test_each_case_leads_to_the_other(visit: Visit, console: Console) -> None:
    page = visit(SHOP)
    page.get_by_role("link", name="Across origins").click()
    expect(page.get_by_text("as real shops are: this page is")).to_contain_text(console.url)
    page.get_by_role("link", name="The same on one origin").click()
    expect(page).to_have_url(f"{console.url}{SHOP}")


def test_the_toolbar_turns_to_an_add_by_itself(shop: Page) -> None:
    """Across origins it can, because the header with the request's id is exposed."""
    expect(shop.locator("#djdt-SQLPanel")).to_contain_text("0 queries", use_inner_text=False)
    add(shop)
    expect(shop.locator("#djdt-RequestPanel")).to_contain_text("items", use_inner_text=False)
    shop.locator("#djShowToolBarButton").click()
    show_sql(shop)
    expect(shop.locator("#SQLPanel")).to_contain_text("INSERT INTO tracker_item")


def test_a_post_is_profiled_through_the_history(visit: Visit) -> None:
    page = visit(SHOP)
    cart_id = add(page)
    page.reload()
    switch_to_the_post(page)
    show_sql(page)
    statements = page.locator("#SQLPanel")
    expect(statements).to_contain_text("INSERT INTO tracker_cart")
    expect(statements).to_contain_text("INSERT INTO tracker_item")
    expect(statements).to_contain_text(cart_id)
    page.locator("a.HeadersPanel").click()
    expect(page.locator("#HeadersPanel")).to_contain_text("X-Request-ID")


def test_what_is_added_in_the_shop_is_in_the_live_view_within_three_seconds(visit: Visit) -> None:
    live = visit("/admin/find/")
    live.clock.install()
    live.goto("/admin/live/")
    expect(live.locator("#live-state")).to_contain_text("Live.")
    cart_id = add(visit(SHOP, account=""))
    live.clock.run_for(3_000)
    row = live.locator("#live-rows tr", has_text=cart_id[:8])
    expect(row).to_contain_text("138.95 USD")


def test_the_live_views_own_questions_leave_the_toolbar_alone(console: Console) -> None:
    """They come every 2 seconds, and each would close the panel that is open."""
    headers = {"Cookie": f"sessionid={console.sessions['lead']}"}
    asked = console.server.request("GET", "/admin/live/adds/", headers=headers)
    assert asked.status == 200
    assert REQUEST_ID_HEADER not in asked.headers


@pytest.mark.parametrize(
    ("origin", "path", "updates"),
    [
        ("http://127.0.0.1:8000", "/items", True),
        ("http://localhost:8000", "/items/reset", True),
        ("http://127.0.0.1:8001", "/items", False),  # Another process's page, and toolbar.
        ("http://127.0.0.1:8000", "/admin/live/adds/", False),
        ("null", "/items", False),
    ],
)
def test_the_toolbar_turns_to_adds_of_its_own_processs_pages(
    origin: str, path: str, updates: bool
) -> None:
    request = RequestFactory().post(path, HTTP_ORIGIN=origin, SERVER_PORT="8000")
    assert updates_the_page(request) is updates


def test_the_page_is_there_for_everybody(visit: Visit, complaints: Complaints) -> None:
    """In light and dark, wide and narrow, with an answer of each kind on it."""
    complaints.expect("status of 400")
    page = visit(SHOP)
    add(page)
    send_a_bad_item(page)
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    page.evaluate("document.querySelector('#djDebugRoot').hidden = true")
    found = []
    for width, scheme, options in LOOKS:
        settle(page, width, scheme)
        found += [f"{width} {scheme} {each}" for each in barriers(page, options)]
        assert not is_too_wide(page), width
    assert found == []


def test_a_tracker_that_does_not_run_is_told(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("ERR_CONNECTION_REFUSED")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    page = visit(f"{SHOP}?tracker=http://127.0.0.1:{port}")
    expect(page.locator("#state")).to_contain_text(f"No tracker answers at http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "tracker",
    [
        "",
        "https://evil.example",
        "//evil.example",
        "http://evil.example:8000",
        "http://localhost.evil.example",
        "http://localhost:8000@evil.example",
        "http://localhost:8000;script-src%20*",
        "http://localhost:8000%0d%0aX-Evil:1",
        "http://localhost:8000/evil",
        "http://localhost:99999",
        "https://localhost:8000",
        "http://[::1]:8000",
        "javascript:alert(1)",
    ],
)
def test_a_script_from_elsewhere_is_refused(console: Console, tracker: str) -> None:
    refused = console.server.request("GET", f"{SHOP}?tracker={tracker}")
    assert refused.status == 400
    assert b"none but this machine" in refused.body
    assert b"cart-tracker.v1.js" not in refused.body
    assert "evil" not in str(refused.headers)
    assert "localhost" not in refused.headers["Content-Security-Policy"]


def test_the_page_has_the_consoles_policy_and_nothing_inline(console: Console) -> None:
    policies = [
        console.server.request("GET", path).headers["Content-Security-Policy"]
        for path in ("/admin/login/", SHOP, across_origins(console))
    ]
    allowed = [dict(each.split(" ", 1) for each in text.split("; ")) for text in policies]
    assert allowed[0] == allowed[1]
    added = f" http://localhost:{console.server.port}"
    for directive, sources in allowed[0].items():
        other = added if directive in ("script-src", "connect-src") else ""
        assert allowed[2][directive] == sources + other


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


def test_without_the_toolbar_nothing_of_it_is_exposed() -> None:
    reply = Client().get("/items", headers={"origin": "https://shop.example"})
    assert reply.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "djdt" not in reply.headers["Access-Control-Expose-Headers"]
