"""What a shop's page sends by plain `fetch`, what it can read, and what the browser keeps."""

import json
from typing import Any, NamedTuple

from playwright.sync_api import BrowserContext, Frame, Page

from tests.support.live import Reply
from tests.support.sites import LISTED, Sites

# Sends as a shop's own script would. An answer that it may not read is an exception.
FETCH = """
async ([url, init]) => {
  const answer = await fetch(url, { method: "POST", credentials: "include", ...init });
  const text = await answer.text();
  const header = (name) => answer.headers.get(name);
  return [
    answer.status, header("Content-Type"), text && JSON.parse(text),
    header("Retry-After"), header("X-Request-ID"),
  ];
}
"""
UNREADABLE = "Failed to fetch"
# What the browser's console has to say about it.
REFUSED = "blocked by CORS policy|net::ERR_FAILED|status of 403"
JSON, TEXT = "application/json", "text/plain"

STRANGERS = [
    ("stranger", ""),
    ("shop-a.test.stranger", ""),
    ("tracker.test.stranger", ""),
    ("evilshop-a", ""),
    ("www.shop-a", ""),
    ("evil.tracker", ""),  # To a browser the same site as the tracker.
    ("shop-a", ":8443"),
]

# A form's text is name=value; this one is JSON all the same.
FORM = """
<meta name="referrer" content="{}">
<form method="post" enctype="text/plain" action="https://tracker.test/items">
<input name='{{"product_id": "sku-1", "x": "' value='"}}'><button>Win</button></form>
"""


class Read(NamedTuple):
    """What a script can read of an answer."""

    status: int
    kind: str | None
    body: Any
    retry_after: str | None = None
    request_id: str | None = None


OPAQUE = Read(0, None, "")


def ask(page: Page | Frame, path: str = "/items", body: str = "", **init: Any) -> Read:
    """Send a request. Raises Error if the browser hides the answer from the page."""
    if init.get("method") not in ("GET", "HEAD"):
        init["body"] = body
    return Read(*page.evaluate(FETCH, [f"{Sites.tracker}{path}", init]))


def send(page: Page | Frame, kind: str = JSON, **init: Any) -> Read:
    """Send an add."""
    members = init.pop("members", {})
    body = json.dumps({"product_id": "sku-1", **members})
    return ask(page, body=body, headers={"Content-Type": kind}, **init)


def add(page: Page, kind: str = JSON, **members: Any) -> str:
    """Send an add that works. Return the cart's id."""
    answer = send(page, kind, members=members)
    assert answer.status == 200
    return str(answer.body["cart_id"])


def kept(visitor: BrowserContext) -> dict[str, str]:
    """Return the tracker's cookies in the browser: cart ids by top site."""
    cookies = visitor.cookies(Sites.tracker)
    return {str(cookie.get("partitionKey")): cookie["value"] for cookie in cookies}


def check_every_answer(sites: Sites) -> None:
    """Check what holds for every answer (R7, R9, R34). Preflights have no cookie."""
    listed = {sites.url(shop) for shop in LISTED}
    assert sites.front.replies
    for asked, reply in sites.front.replies:
        origin = asked.headers["origin"]
        allowed = origin if origin in listed else None
        assert reply.headers.get("Access-Control-Allow-Origin") == allowed
        assert reply.headers["Vary"] == "Origin"
        assert ("Set-Cookie" in reply.headers) == (reply.status in (200, 503) or _is_reset(reply))
        assert asked.method != "OPTIONS" or "cookie" not in asked.headers


def _is_reset(reply: Reply) -> bool:
    return reply.status == 204 and "Max-Age=0" in reply.headers.get("Set-Cookie", "")
