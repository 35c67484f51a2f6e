"""Helpers that use the demo shop in a browser, and the debug toolbar over it."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Console, fill
from tests.support.live import Server

SHOP = "/demo/"


@contextmanager
def debugging(*, var_dir: str, database_url: str) -> Iterator[Console]:
    """Start a server with DEBUG, with accounts in its migrated database."""
    env = {"DATABASE_URL": database_url, "VAR_DIR": var_dir, "INTAKE_URL": "database://"}
    server = Server(env=env | {"DEBUG": "1"})
    try:
        yield Console(server, fill("accounts", env=env))
    finally:
        server.stop()


def add(page: Page, number: int = 0) -> str:
    """Put a product of the shelf into the cart; return the cart id of the answer."""
    page.get_by_role("button", name="Add to cart").nth(number).click()
    answer = page.locator("#answers > li").first
    expect(answer).to_contain_text("200 OK")
    return answer.locator("[data-text=said]").inner_text().removeprefix("cart_id ")


def send_a_bad_item(page: Page) -> Locator:
    """Send an item with faults; return the line that shows the answer."""
    page.get_by_role("button", name="Send a bad item").click()
    answer = page.locator("#answers > li").first
    expect(answer).to_contain_text("400 Bad Request")
    return answer


def switch_to_the_post(page: Page) -> None:
    """Open the toolbar and its history, and switch to the newest add."""
    page.locator("#djShowToolBarButton").click()
    page.locator("a.HistoryPanel").click()
    page.locator("#HistoryPanel").get_by_role("button", name="Refresh").click()
    post = page.locator("#djdtHistoryRequests > tr", has_text="/items").first
    expect(post).to_contain_text("POST")
    request_id = post.get_attribute("data-request-id") or ""
    post.get_by_role("button", name="Switch").click()
    expect(page.locator("#djDebug")).to_have_attribute("data-request-id", request_id)


def show_sql(page: Page) -> None:
    """Open the SQL panel, and wait for its statements."""
    page.locator("a.SQLPanel").click()
    expect(page.locator("#SQLPanel tr").first).to_be_visible()
