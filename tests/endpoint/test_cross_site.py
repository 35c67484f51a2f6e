"""Shops' pages and the tracker as real sites of their own: HTTPS, CORS and cookies in Chromium."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Error, Frame, Page, expect

from tests.support.browser import Complaints
from tests.support.live import Reply
from tests.support.sites import LISTED, Sites

pytest_plugins = ["tests.support.browser", "tests.support.sites"]
pytestmark = pytest.mark.browser
Open = Callable[..., Page]

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


def _is_reset(reply: Reply) -> bool:
    return reply.status == 204 and "Max-Age=0" in reply.headers.get("Set-Cookie", "")


@pytest.fixture(autouse=True)
def every_answer(visitor: BrowserContext, sites: Sites) -> Iterator[None]:
    """Check what holds for every answer (R7, R9, R34). Preflights have no cookie."""
    yield
    listed = {sites.url(shop) for shop in LISTED}
    assert sites.front.replies
    for asked, reply in sites.front.replies:
        origin = asked.headers["origin"]
        allowed = origin if origin in listed else None
        assert reply.headers.get("Access-Control-Allow-Origin") == allowed
        assert reply.headers["Vary"] == "Origin"
        assert ("Set-Cookie" in reply.headers) == (reply.status in (200, 503) or _is_reset(reply))
        assert asked.method != "OPTIONS" or "cookie" not in asked.headers


# -- Cookies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shopping", ["all", "partitioned"], indirect=True)
def test_each_shop_gets_its_own_cart_again_by_the_cookie_alone(
    open_shop: Open, visitor: BrowserContext, sites: Sites
) -> None:
    """R1, R8: also where a browser takes third-party cookies, one visitor's carts don't merge."""
    first, other = add(open_shop("shop-a")), add(open_shop("shop-b"))
    assert first != other
    assert add(open_shop("shop-a")) == first
    assert sites.front.seen[-1].headers["cookie"] == f"cart_id={first}"
    assert add(open_shop("shop-b")) == other
    assert kept(visitor) == {sites.url("shop-a"): first, sites.url("shop-b"): other}
    assert {row[0] for row in sites.rows()} >= {first, other}


@pytest.mark.parametrize("shopping", ["all", "partitioned"], indirect=True)
def test_these_browsers_differ_in_what_they_do_with_other_third_party_cookies(
    shopping: Any, open_shop: Open, visitor: BrowserContext, sites: Sites, request: Any
) -> None:
    """What the test above rests on."""
    sites.page("adverts", "/", "", {"Set-Cookie": "seen=1; Secure; SameSite=None; Max-Age=1000"})
    page = open_shop("shop-a")
    add(page)
    page.evaluate(
        "url => fetch(url, {mode: 'no-cors', credentials: 'include'})", "https://adverts.test/"
    )
    taken = [cookie["name"] for cookie in visitor.cookies("https://adverts.test")]
    assert taken == {"all": ["seen"], "partitioned": []}[request.node.callspec.params["shopping"]]


def test_the_browser_keeps_the_cookie_as_it_was_meant(
    open_shop: Open, visitor: BrowserContext, sites: Sites
) -> None:
    """R8"""
    page = open_shop("shop-a")
    cart_id = add(page)
    [cookie] = map(dict, visitor.cookies())
    expires = cookie.pop("expires")
    assert expires - page.evaluate("Date.now() / 1000") == pytest.approx(31_536_000, abs=120)
    cookie.pop("_crHasCrossSiteAncestor", None)
    assert cookie == {
        "name": "cart_id",
        "value": cart_id,
        "domain": "tracker.test",  # Without a dot: this host's alone.
        "path": "/",
        "httpOnly": True,
        "secure": True,
        "sameSite": "None",
        "partitionKey": sites.url("shop-a"),
    }


@pytest.mark.parametrize("credentials", ["omit", "same-origin"])
def test_a_fetch_without_credentials_neither_sends_nor_keeps_the_cookie(
    open_shop: Open, visitor: BrowserContext, sites: Sites, credentials: str
) -> None:
    page = open_shop("shop-a")
    assert send(page, credentials=credentials).status == 200
    assert kept(visitor) == {}
    cart_id = add(page)
    assert send(page, credentials=credentials).body["cart_id"] != cart_id
    assert "cookie" not in sites.front.seen[-1].headers
    assert kept(visitor) == {sites.url("shop-a"): cart_id}


def test_a_reset_removes_the_cookie_of_this_shop_alone(
    open_shop: Open, visitor: BrowserContext, sites: Sites
) -> None:
    """R9"""
    other = add(open_shop("shop-b"))
    page = open_shop("shop-a")
    before = add(page)
    assert ask(page, "/items/reset").status == 204
    assert sites.front.methods("/items/reset") == ["POST"]
    assert kept(visitor) == {sites.url("shop-b"): other}
    assert add(page) != before
    assert "cookie" not in sites.front.seen[-1].headers
    assert add(open_shop("shop-b")) == other


@pytest.mark.parametrize("shopping", ["none"], indirect=True)
def test_without_any_cookie_the_bodys_id_carries_the_cart(
    open_shop: Open, visitor: BrowserContext, sites: Sites
) -> None:
    """R1"""
    page = open_shop("shop-a")
    first = add(page, product_id="first")
    assert add(page) != first
    assert kept(visitor) == {}
    assert add(page, TEXT, cart_id=first, product_id="second") == first
    assert not [asked for asked in sites.front.seen if "cookie" in asked.headers]
    assert [row[1] for row in sites.rows() if row[0] == first] == ["first", "second"]


# -- Who may ask -----------------------------------------------------------------------------------


@pytest.fixture
def refused(sites: Sites, visitor: BrowserContext, complaints: Complaints) -> Iterator[None]:
    """The test leaves no row and no cookie behind; what it asks is not answered to its script."""
    complaints.expect(REFUSED)
    before = sites.rows()
    yield
    assert sites.rows() == before
    assert kept(visitor) == {}
    assert {reply.status for _, reply in sites.front.replies} == {403}


@pytest.mark.parametrize(("shop", "port"), STRANGERS)
def test_a_page_that_is_not_listed_stores_nothing_and_reads_nothing(
    open_shop: Open, sites: Sites, refused: None, shop: str, port: str
) -> None:
    """R34: JSON is not even sent. Text is, without being asked for first."""
    page = open_shop(shop, port)
    with pytest.raises(Error, match=UNREADABLE):
        send(page, JSON)
    assert sites.front.methods() == ["OPTIONS"]
    with pytest.raises(Error, match=UNREADABLE):
        send(page, TEXT)
    assert send(page, TEXT, mode="no-cors") == OPAQUE
    assert sites.front.methods() == ["OPTIONS", "POST", "POST"]
    with pytest.raises(Error, match=UNREADABLE):
        ask(page, "/items/reset")


def test_a_page_without_an_origin_of_its_own_is_refused(
    visitor: BrowserContext, sites: Sites, refused: None
) -> None:
    """R34: `null` is what a sandbox sends, also one in a listed shop's page."""
    url = sites.page("shop-a", "/sandbox", '<iframe sandbox="allow-scripts" srcdoc="x"></iframe>')
    page = visitor.new_page()
    page.goto(url)
    for kind in (JSON, TEXT):
        with pytest.raises(Error, match=UNREADABLE):
            send(page.frames[1], kind)
    assert sites.front.methods() == ["OPTIONS", "POST"]
    assert {asked.headers["origin"] for asked in sites.front.seen} == {"null"}


def test_a_strangers_frame_in_a_shops_page_sends_the_shops_cookie_and_gets_nothing(
    visitor: BrowserContext, sites: Sites, complaints: Complaints
) -> None:
    """R34, R9: the cookie's jar is that of the page on top, so an advert in it has it as well."""
    complaints.expect(REFUSED)
    page = visitor.new_page()
    page.goto(sites.page("shop-a", "/adverts", '<iframe src="https://stranger.test/"></iframe>'))
    cart_id, before = add(page), sites.rows()
    for path in ("/items", "/items/reset"):
        with pytest.raises(Error, match=UNREADABLE):
            ask(page.frames[1], path, '{"product_id": "from an advert"}')
        assert sites.front.seen[-1].headers["cookie"] == f"cart_id={cart_id}"
    assert (kept(visitor), sites.rows()) == ({sites.url("shop-a"): cart_id}, before)


@pytest.mark.parametrize(
    ("policy", "origin"), [("origin", "https://stranger.test"), ("no-referrer", "null")]
)
def test_a_form_of_a_page_that_is_not_listed_is_refused(
    visitor: BrowserContext, sites: Sites, refused: None, policy: str, origin: str
) -> None:
    """R34: it needs no script, and the browser shows the answer to the visitor."""
    page = visitor.new_page()
    page.goto(sites.page("stranger", "/form", FORM.format(policy)))
    page.get_by_role("button").click()
    expect(page.get_by_text("origin_not_allowed")).to_be_visible()
    assert sites.front.seen[0].headers["origin"] == origin
    assert sites.front.bodies() == [{"product_id": "sku-1", "x": "="}]


# -- What may be asked, and read -------------------------------------------------------------------


def test_text_needs_no_preflight_and_json_one_for_all_adds(open_shop: Open, sites: Sites) -> None:
    """R10, R17"""
    page = open_shop("shop-a")
    assert add(page, TEXT) == add(page, JSON) == add(page, JSON)
    assert sites.front.methods() == ["POST", "OPTIONS", "POST", "POST"]
    _, preflight = sites.front.replies[1]
    assert preflight.headers["Access-Control-Max-Age"] == "7200"  # Without it: for five seconds.


@pytest.mark.parametrize("init", [{"method": "PUT"}, {"headers": {"X-Requested-With": "x"}}])
def test_other_methods_and_headers_are_not_sent(
    open_shop: Open, sites: Sites, complaints: Complaints, init: dict[str, Any]
) -> None:
    """R17"""
    complaints.expect(REFUSED)
    with pytest.raises(Error, match=UNREADABLE):
        ask(open_shop("shop-a"), **init)
    assert sites.front.methods() == ["OPTIONS"]


@pytest.mark.parametrize(
    ("status", "code", "init"),
    [
        (400, "required", {"body": "{}"}),
        (400, "malformed_json", {"body": "{"}),
        (404, "not_found", {"path": "/items/5"}),
        (405, "method_not_allowed", {"method": "GET"}),
        (413, "body_too_large", {"body": "x" * 60_000}),
        (415, "unsupported_media_type", {"headers": {"Content-Type": "text/html"}}),
    ],
)
def test_a_shop_can_read_why_it_was_refused(
    open_shop: Open, complaints: Complaints, status: int, code: str, init: dict[str, Any]
) -> None:
    """R31, R33"""
    complaints.expect(f"status of {status}")
    answer = ask(open_shop("shop-a"), **init)
    assert (answer.status, answer.kind) == (status, "application/problem+json")
    assert [fault["code"] for fault in answer.body["errors"]] == [code]
    assert answer.request_id


def test_a_shop_can_read_that_it_should_try_again_and_keeps_its_cart(
    open_shop: Open, visitor: BrowserContext, sites: Sites, complaints: Complaints
) -> None:
    """R7, R32, R33"""
    complaints.expect("status of 503")
    page = open_shop("shop-a")
    with sites.failing():
        answer = send(page)
    assert (answer.status, answer.kind) == (503, "application/problem+json")
    assert answer.retry_after == "2"
    assert answer.body["errors"][0]["code"] == "unavailable"
    assert kept(visitor) == {sites.url("shop-a"): add(page)}


def test_the_front_fails_as_the_tracker_does(
    open_shop: Open, sites: Sites, complaints: Complaints
) -> None:
    """Tests of what shops do about a 503 rest on it."""
    complaints.expect("status of 503")
    page = open_shop("shop-a")
    with sites.failing():
        real = send(page)
    sites.front.fail_with(503)
    made = send(page)
    assert (made.status, made.kind, made.body.keys()) == (real.status, real.kind, real.body.keys())
    [of_real, of_made] = [reply.headers for _, reply in sites.front.replies if reply.status == 503]
    assert of_made.keys() == of_real.keys() - {"Date", "X-Request-ID"}
    assert of_made["Set-Cookie"] == of_real["Set-Cookie"]
    assert of_made["Retry-After"] == of_real["Retry-After"]
