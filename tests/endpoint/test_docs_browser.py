"""/docs in a real browser: the packaged viewer works under the policy of its page."""

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Complaints
from tests.support.live import Server

pytest_plugins = ["tests.support.browser"]
pytestmark = [pytest.mark.browser]


def test_the_viewer_shows_the_operations_and_asks_no_other_host(
    chromium: Browser, complaints: Complaints, live: Server
) -> None:
    """`complaints` would hear of anything that the policy refuses."""
    origin = f"http://127.0.0.1:{live.port}/"
    context = chromium.new_context()
    complaints.listen(context)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{origin}docs#/storefront/addItem")
    expect(page.locator(".opblock")).to_have_count(7)
    operation = page.locator("#operations-storefront-addItem")
    expect(operation.get_by_text("The item is stored.").first).to_be_visible()
    expect(operation.get_by_role("button", name="Try it out")).to_have_count(0)
    page.locator(".models-control").click()
    expect(page.get_by_text("Error codes")).to_be_visible()
    assert f"{origin}openapi.json" in asked
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []
    context.close()
