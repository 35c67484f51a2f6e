"""A visitor of a shop with the snippet: what the page does, and what the browser keeps."""

import json
from typing import Any
from urllib.parse import urljoin

from playwright.sync_api import BrowserContext, Page

from tests.support.live import wait_for
from tests.support.sites import Sites

TAG = f'<script src="{Sites.tracker}/cart-tracker.v1.js" defer></script>'
WITH_CONSENT = TAG.replace("defer", 'defer data-consent="required"')
ELSEWHERE = "https://stranger.test/"

# Adds of one moment, and what becomes of them: ids of carts, and errors with what they hold.
_ADD = """(items) => {
  window.ends ??= [];
  const plain = (end) => end instanceof Error ? {message: end.message, ...end} : end;
  const note = (kind) => (end) => ends.push([kind, plain(end)]);
  for (const item of items)
    item ? cartTracker.add(item).then(note("stored"), note("refused"))
         : cartTracker.reset().then(note("reset"), note("refused"));
}"""
RESET = None  # In the place of an item.
Stored = tuple[str, str | None, int | None]


def item(product_id: str, **members: Any) -> dict[str, Any]:
    return {"product_id": product_id, **members}


class Shopper:
    """A tab. The ids of its carts tell its adds from those of other visitors."""

    def __init__(self, sites: Sites, context: BrowserContext, url: str) -> None:
        self.sites, self.context, self.url = sites, context, url
        self.page: Page = context.new_page()
        self.page.goto(url)

    def add(self, *items: dict[str, Any] | None) -> None:
        """Add all at the same moment, without waiting."""
        self.page.evaluate(_ADD, list(items))

    def add_and_leave(self, *items: dict[str, Any] | None) -> None:
        """Add all at the same moment, and leave for another site at once."""
        with self.page.expect_navigation(url=ELSEWHERE):
            self.page.evaluate(
                f"(items) => {{ ({_ADD})(items); location = '{ELSEWHERE}' }}", list(items)
            )

    def ends(self, count: int) -> list[Any]:
        """Wait for this many adds and resets. Return the ends, like ["stored", cart id]."""
        self.page.wait_for_function("(count) => window.ends?.length >= count", arg=count)
        return list(self.page.evaluate("ends"))

    def added(self, *items: dict[str, Any] | None) -> list[Any]:
        """Add and wait. Return the results."""
        before = self.page.evaluate("window.ends?.length ?? 0")
        self.add(*items)
        return [end for _, end in self.ends(before + len(items))[before:]]

    def hear_of(self, event: str) -> None:
        """Fire an event that ends the wait after a failure, like `online`."""
        self.page.evaluate("(event) => { dispatchEvent(new Event(event)) }", event)

    def code(self) -> str:
        return str(self.page.evaluate("cartTracker.code()"))

    def cookie(self) -> dict[str, Any]:
        """Return the shop's own cookie, or an empty text."""
        found = [each for each in self.context.cookies(self.url) if each["name"] == "cart_tracker"]
        return dict(found[0]) if found else {}

    def cart(self) -> str:
        return str(self.cookie().get("value", ""))

    def trackers_cookie(self) -> str:
        """Return the cookie that only the tracker can read, or an empty text."""
        found = self.context.cookies(urljoin(Sites.tracker, "/items"))
        return next((str(each["value"]) for each in found if each["name"] == "cart_id"), "")

    def waiting(self) -> list[Any]:
        """Return the queue in localStorage, the oldest first."""
        kept = self.page.evaluate("Object.entries(localStorage).sort()")
        return [json.loads(text) for key, text in kept if key.startswith("cart_tracker.")]

    def wait_until_sent(self) -> None:
        wait_for(lambda: not self.waiting())

    def stored(self, cart_id: str) -> list[Stored]:
        """Return the tracker's items in this cart, oldest first."""
        return [row[1:] for row in self.sites.rows() if row[0] == cart_id]

    def pass_time(self) -> None:
        """Wait for a request to the shop. What would have been sent by now has been sent."""
        self.page.evaluate("fetch('/')")
