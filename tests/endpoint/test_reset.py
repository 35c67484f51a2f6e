"""POST /items/reset: the cookie expires, and nothing else happens (R9)."""

from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.test import Client

from tracker.models import Cart

SHOP = "https://shop.example"
CART = "6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10"

pytestmark = pytest.mark.django_db


def attributes(response: Any) -> set[str]:
    return set(response.cookies.output(header="").strip().split("; ")[1:])


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_expires_as_it_was_set(client: Client, secure: bool) -> None:
    """R8, R9: with other attributes a browser would keep the old one, or both."""
    was_set = attributes(
        client.post("/items", {"product_id": "sku"}, "application/json", secure=secure)
    )
    response = client.post("/items/reset", secure=secure)
    assert (response.status_code, response.content) == (204, b"")
    assert response.cookies["cart_id"].value == ""
    assert attributes(response) == was_set - {"Max-Age=31536000"} | {"Max-Age=0"}
    assert response.headers["Cache-Control"] == "no-store"


def test_the_next_add_starts_a_new_cart(client: Client, add: Any) -> None:
    before = add(product_id="sku").json()["cart_id"]
    client.post("/items/reset")
    client.post("/items/reset")
    assert add(product_id="sku").json()["cart_id"] != before
    assert Cart.objects.count() == 2  # What was in the old one is still there.


def test_python_reads_the_expired_cookie_as_one(client: Client) -> None:
    cookie = SimpleCookie(client.post("/items/reset").cookies.output(header=""))
    assert (cookie["cart_id"].value, cookie["cart_id"]["max-age"]) == ("", "0")


def test_a_page_that_is_not_listed_resets_nothing(client: Client) -> None:
    """R34"""
    response = client.post("/items/reset", HTTP_ORIGIN="https://other.example")
    assert response.status_code == 403
    assert not response.cookies


def test_a_listed_page_may_read_the_answer(client: Client) -> None:
    """R33"""
    response = client.post("/items/reset", HTTP_ORIGIN=SHOP, HTTP_COOKIE=f"cart_id={CART}")
    assert response.headers["Access-Control-Allow-Origin"] == SHOP
    assert response.status_code == 204


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_post_resets(client: Client, method: str) -> None:
    """R17, R31"""
    response = client.generic(method, "/items/reset")
    assert (response.status_code, response.headers["Allow"]) == (405, "OPTIONS, POST")
    assert not response.cookies


def test_options_says_so(client: Client) -> None:
    """R17"""
    response = client.options("/items/reset")
    assert (response.status_code, response.headers["Allow"]) == (204, "OPTIONS, POST")
