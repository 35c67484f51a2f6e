"""Which pages may talk to the tracker, and what they can read (R31, R33, R34)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client

SHOP = "https://shop.example"
LOCAL = "http://localhost:3000"


def assert_readable_by(response: Any, origin: str) -> None:
    """A browser lets a script of this origin read the answer to a request with cookies."""
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("origin", [SHOP, LOCAL])
def test_a_shops_page_can_add_and_read_the_answer(add: Callable[..., Any], origin: str) -> None:
    """R33, R34"""
    response = add(product_id="sku", HTTP_ORIGIN=origin)
    assert response.status_code == 200
    assert_readable_by(response, origin)
    assert response.cookies["cart_id"].value == response.json()["cart_id"]


@pytest.mark.parametrize(
    ("status", "method", "path", "given"),
    [
        (400, "POST", "/items", {}),
        (404, "POST", "/items/5", {}),
        (405, "GET", "/items", {}),
        (413, "POST", "/items", {"CONTENT_LENGTH": "16385"}),
        (415, "POST", "/items", {"CONTENT_TYPE": "text/html"}),
        (415, "POST", "/items", {"HTTP_CONTENT_ENCODING": "gzip"}),
        (400, "POST", "/items", {"HTTP_HOST": "evil.example"}),
    ],
)
def test_a_shops_page_can_read_why_it_was_refused(
    client: Client, status: int, method: str, path: str, given: dict[str, Any]
) -> None:
    """R33"""
    response = client.generic(method, path, "{}", "text/plain", HTTP_ORIGIN=SHOP, **given)
    assert response.status_code == status
    assert_readable_by(response, SHOP)


@pytest.mark.parametrize("path", ["/items", "/items/", "/items/5"])
def test_a_shops_page_can_read_that_the_tracker_failed(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """R33"""
    monkeypatch.setattr("middleware.storefront._resolve", fail)
    client.raise_request_exception = False
    response = client.post(path, HTTP_ORIGIN=SHOP)
    assert response.status_code == 500
    assert_readable_by(response, SHOP)


def fail(*args: Any) -> None:
    raise RuntimeError("on purpose")


FOREIGN = [
    "https://evil.example",
    "http://shop.example",
    "https://shop.example:8443",
    "https://shop.example.evil.example",
    "https://evil.shop.example",
    "https://SHOP.example",
    "https://shop.example/",
    "http://localhost",
    "shop.example",
    "null",
    "*",
    "",
    f"{SHOP}, {SHOP}",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "GET"])
def test_a_page_of_another_origin_stores_and_reads_nothing(
    client: Client, method: str, origin: str
) -> None:
    """R31, R34, R7"""
    asking: dict[str, Any] = {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST", "HTTP_ORIGIN": origin}
    response = client.generic(method, "/items", '{"product_id": "sku"}', **asking)
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["code"] == "origin_not_allowed"
    assert not [name for name in response.headers if name.startswith("Access-Control")]
    assert response.headers["Vary"] == "Origin"
    assert not response.cookies


@pytest.mark.parametrize(
    ("debug", "origin", "status"),
    [
        (True, "http://localhost:8000", 200),
        (False, "http://localhost:8000", 403),
        (True, "http://localhost:8001", 403),
        (True, "http://127.0.0.1:8000", 403),
        (True, "https://localhost:8000", 403),
        (True, "null", 403),
    ],
)
def test_with_debug_the_trackers_own_pages_may_add(
    add: Callable[..., Any], settings: Any, debug: bool, origin: str, status: int
) -> None:
    """R34: the demo shop, on any port."""
    settings.DEBUG = debug
    response = add(product_id="sku", HTTP_HOST="localhost:8000", HTTP_ORIGIN=origin)
    assert response.status_code == status


def test_a_page_can_read_when_to_try_again_and_what_to_ask_about(client: Client) -> None:
    """R33"""
    refused = client.post("/items", {}, "application/json", HTTP_ORIGIN=SHOP)
    assert refused.headers["Access-Control-Expose-Headers"] == "Retry-After, X-Request-ID"


def test_no_origin_is_no_page(add: Callable[..., Any]) -> None:
    """R34: servers, command lines, tests."""
    response = add(product_id="sku")
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/items", "/items/"])
@pytest.mark.parametrize("origin", [SHOP, LOCAL])
def test_a_preflight_lets_the_shop_send_json(client: Client, origin: str, path: str) -> None:
    """R17"""
    response = client.options(
        path,
        HTTP_ORIGIN=origin,
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="content-type",
    )
    assert (response.status_code, response.content) == (204, b"")
    assert_readable_by(response, origin)
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    assert response.headers["Access-Control-Allow-Headers"].lower() == "content-type"
    assert int(response.headers["Access-Control-Max-Age"]) > 0
    assert not response.cookies


def answers_early(get_response: Any) -> Callable[[HttpRequest], HttpResponse]:
    return lambda _: HttpResponse("early", status=418)


def test_the_headers_are_set_when_an_inner_layer_answers_early(
    client: Client, settings: Any
) -> None:
    """R33"""
    settings.MIDDLEWARE = ["middleware.cors.CorsMiddleware", f"{__name__}.answers_early"]
    response = client.post("/items", HTTP_ORIGIN=SHOP)
    assert response.status_code == 418
    assert_readable_by(response, SHOP)


@pytest.mark.parametrize("path", ["/livez", "/openapi.json", "/itemsx"])
def test_other_pages_have_no_cors_headers(client: Client, path: str) -> None:
    """R34"""
    response = client.get(path, HTTP_ORIGIN=SHOP)
    assert "Access-Control-Allow-Origin" not in response.headers
