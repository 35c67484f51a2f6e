"""What is in the rows after one or several requests (R20-R23)."""

from collections.abc import Callable
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError
from django.test import Client

from tracker.models import Cart, Item

A = "0d9c8b7a-1c2d-4e3f-8a5b-6c7d8e9f0a1b"
B = "b5a4c3d2-0f1e-4d2c-8b4a-59687786a5b4"


def stored() -> list[tuple[str, str | None, int | None]]:
    return sorted(Item.objects.values_list("product_id", "name", "price"))


def test_an_add_makes_the_cart_and_its_item(add: Callable[..., Any]) -> None:
    """R20"""
    cart_id = add(product_id="sku", name="Socks", price=1299).json()["cart_id"]
    item = Item.objects.get()
    assert Cart.objects.get().id == item.cart.id == UUID(cart_id)
    assert (item.product_id, item.name, item.price) == ("sku", "Socks", 1299)


def test_a_product_is_in_a_cart_once(add: Callable[..., Any]) -> None:
    """R20"""
    for price in (1, 2, 2):
        add(product_id="sku", price=price)
    assert stored() == [("sku", None, 2)]
    assert Cart.objects.count() == 1


@pytest.mark.django_db
def test_the_database_itself_keeps_a_product_once_per_cart() -> None:
    """R20"""
    cart = Cart.objects.create()
    Item.objects.create(cart=cart, product_id="sku")
    with pytest.raises(IntegrityError):
        Item.objects.create(cart=cart, product_id="sku")


def test_products_of_a_cart_do_not_touch_each_other(add: Callable[..., Any]) -> None:
    """R20"""
    add(product_id="a", name="A", price=1)
    add(product_id="b", price=2)
    add(product_id="b", name="B")
    assert stored() == [("a", "A", 1), ("b", "B", 2)]


def test_carts_do_not_touch_each_other(add: Callable[..., Any], client: Client) -> None:
    """R20"""
    for cart_id, price in ((A, 1), (B, 2), (A, 3)):
        client.cookies.clear()
        add(product_id="sku", cart_id=cart_id, price=price)
    prices = Item.objects.values_list("cart_id", "price")
    assert dict(prices) == {UUID(A): 3, UUID(B): 2}


@pytest.mark.parametrize(
    ("sent", "name", "price"),
    [
        ({}, "old", 1),
        ({"name": "new"}, "new", 1),
        ({"price": 2}, "old", 2),
        ({"price": 0}, "old", 0),
        ({"name": ""}, "", 1),
        ({"name": None}, None, 1),
        ({"price": None}, "old", None),
        ({"name": "new", "price": 2}, "new", 2),
        ({"name": None, "price": None}, None, None),
        ({"name": "new", "price": None}, "new", None),
    ],
)
def test_a_sent_member_replaces_and_an_unsent_one_stays(
    add: Callable[..., Any], sent: dict[str, Any], name: str | None, price: int | None
) -> None:
    """R21"""
    add(product_id="sku", name="old", price=1)
    add(product_id="sku", **sent)
    assert stored() == [("sku", name, price)]


@pytest.mark.parametrize(
    "order", list(permutations([{"price": 1}, {"price": None}, {"name": "x"}]))
)
def test_the_last_accepted_request_wins(
    add: Callable[..., Any], order: tuple[dict[str, Any], ...]
) -> None:
    """R22"""
    expected: dict[str, Any] = {}
    for sent in order:
        expected |= sent
        add(product_id="sku", **sent)
        assert stored() == [("sku", expected.get("name"), expected.get("price"))]


def test_a_repeated_request_changes_nothing_but_the_time(add: Callable[..., Any]) -> None:
    """R22"""
    for _ in range(3):
        add(product_id="sku", name="Socks", price=1)
    item = Item.objects.select_related("cart").get()
    assert (item.name, item.price) == ("Socks", 1)
    assert item.created_at <= item.updated_at
    assert item.cart.created_at <= item.created_at


REFUSED: dict[str, dict[str, Any]] = {
    "no product id": {"body": {"name": "Socks", "cart_id": B}},
    "a good and a bad member": {"body": {"product_id": "sku", "name": "new", "price": "x"}},
    "not an object": {"body": [{"product_id": "sku"}]},
    "not JSON": {"body": b'{"product_id": "sku", "price": 2'},
    "too large": {"body": b'{"product_id": "sku", "price": 2}'.ljust(16_385)},
    "another type": {"body": {"product_id": "sku", "price": 2}, "content_type": "text/html"},
    "an encoding": {"body": {"product_id": "sku", "price": 2}, "HTTP_CONTENT_ENCODING": "gzip"},
    "a foreign origin": {"body": {"product_id": "sku"}, "HTTP_ORIGIN": "https://evil.example"},
    "a foreign host": {"body": {"product_id": "sku"}, "HTTP_HOST": "evil.example"},
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_a_refused_request_changes_nothing(
    add: Callable[..., Any], request_: dict[str, Any]
) -> None:
    """R23: it does not even make a cart."""
    assert 400 <= add(**request_).status_code < 500
    assert not Cart.objects.exists()
    add(product_id="sku", name="old", price=1)
    before = Cart.objects.values().get(), Item.objects.values().get()
    add(**request_)
    assert (Cart.objects.values().get(), Item.objects.values().get()) == before


def test_the_database_is_not_asked_about_a_refused_request(
    add: Callable[..., Any], django_assert_num_queries: Any
) -> None:
    """R23"""
    with django_assert_num_queries(0):
        add(product_id=5, cart_id=A)
