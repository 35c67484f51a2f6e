"""The members of an item, one by one and together (R11-R13, R31)."""

from collections.abc import Callable
from typing import Any

import pytest

from tracker.models import Cart, Item

MOST = 9_007_199_254_740_991


def faults(response: Any) -> dict[str, str]:
    assert response.status_code == 400
    return {fault["pointer"]: fault["code"] for fault in response.json()["errors"]}


@pytest.mark.parametrize(
    "value",
    [
        "a",
        "0",
        "x" * 255,
        "😀" * 255,
        " sku ",
        "SKU",
        "sku\n",
        "\u200b",
        'a"b\\c',
        "%s {0} $1 ';--",
    ],
)
def test_a_product_id_is_kept_exactly_as_sent(add: Callable[..., Any], value: str) -> None:
    """R11"""
    assert add(product_id=value).status_code == 200
    assert Item.objects.get().product_id == value


def test_product_ids_that_look_alike_are_different_products(add: Callable[..., Any]) -> None:
    """R11: no trimming, no case folding, no normal form."""
    ids = {"sku", "SKU", " sku", "sku ", "é", "e\u0301"}
    for value in ids:
        add(product_id=value)
    assert set(Item.objects.values_list("product_id", flat=True)) == ids
    assert Cart.objects.count() == 1


def test_a_product_id_is_required(add: Callable[..., Any]) -> None:
    """R11"""
    assert faults(add(name="Socks", price=5)) == {"/product_id": "required"}
    assert faults(add({})) == {"/product_id": "required"}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "not_a_string"),
        (5, "not_a_string"),
        (1.5, "not_a_string"),
        (True, "not_a_string"),
        ([], "not_a_string"),
        (["sku"], "not_a_string"),
        ({}, "not_a_string"),
        ("", "blank"),
        (" ", "blank"),
        ("\t\r\n\u00a0\u2003\u3000", "blank"),
        ("x" * 256, "too_long"),
        ("😀" * 256, "too_long"),
        ("a\0", "null_character"),
    ],
)
def test_it_refuses_other_product_ids(add: Callable[..., Any], value: Any, code: str) -> None:
    """R11"""
    assert faults(add(product_id=value)) == {"/product_id": code}


@pytest.mark.parametrize("value", ["", " ", "Socks", "x" * 1000, "😀" * 1000, "<b>&amp;</b>", None])
def test_a_name_is_kept_exactly_as_sent(add: Callable[..., Any], value: str | None) -> None:
    """R12"""
    assert add(product_id="sku", name=value).status_code == 200
    assert Item.objects.get().name == value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (5, "not_a_string"),
        (False, "not_a_string"),
        (["Socks"], "not_a_string"),
        ({}, "not_a_string"),
        ("x" * 1001, "too_long"),
        ("\0", "null_character"),
    ],
)
def test_it_refuses_other_names(add: Callable[..., Any], value: Any, code: str) -> None:
    """R12"""
    assert faults(add(product_id="sku", name=value)) == {"/name": code}


@pytest.mark.parametrize("value", [0, 1, 1299, 2**31, 2**32, MOST, None])
def test_a_price_is_kept_exactly_as_sent(add: Callable[..., Any], value: int | None) -> None:
    """R13"""
    assert add(product_id="sku", price=value).status_code == 200
    assert Item.objects.get().price == value


@pytest.mark.parametrize(
    ("literal", "code"),
    [
        ("true", "not_an_integer"),
        ("false", "not_an_integer"),
        ('"5"', "not_an_integer"),
        ('""', "not_an_integer"),
        ("10.0", "not_an_integer"),
        ("0.0", "not_an_integer"),
        ("1e3", "not_an_integer"),
        ("0e0", "not_an_integer"),
        ("[5]", "not_an_integer"),
        ("{}", "not_an_integer"),
        ("-1", "out_of_range"),
        (f"{MOST + 1}", "out_of_range"),
        (f"{2**63}", "out_of_range"),
        (f"{2**64}", "out_of_range"),
        ("9" * 400, "out_of_range"),
    ],
)
def test_it_refuses_other_prices(add: Callable[..., Any], literal: str, code: str) -> None:
    """R13"""
    body = f'{{"product_id": "sku", "price": {literal}}}'.encode()
    assert faults(add(body)) == {"/price": code}


def test_every_bad_member_is_named_at_once(add: Callable[..., Any]) -> None:
    """R31"""
    assert faults(add(product_id=" ", name=5, price=-1)) == {
        "/product_id": "blank",
        "/name": "not_a_string",
        "/price": "out_of_range",
    }
    assert faults(add(name="\0", price="5", cart_id=5)) == {
        "/product_id": "required",
        "/name": "null_character",
        "/price": "not_an_integer",
    }


def test_good_members_beside_bad_ones_are_not_named(add: Callable[..., Any]) -> None:
    """R31"""
    assert faults(add(product_id="sku", name="Socks", price=1.5)) == {"/price": "not_an_integer"}


def test_every_fault_says_what_to_mend(add: Callable[..., Any]) -> None:
    """R31"""
    document = add(product_id=5, price=-1).json()
    assert [set(fault) for fault in document["errors"]] == [{"pointer", "code", "detail"}] * 2
    for fault in document["errors"]:
        assert fault["pointer"][1:] in fault["detail"]
        assert fault["detail"] in document["detail"]
