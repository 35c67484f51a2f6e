"""Which cart a request is about, and the cookie that remembers it (R1-R8)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client

from tracker.models import Cart

A = "0d9c8b7a-1c2d-4e3f-8a5b-6c7d8e9f0a1b"
B = "b5a4c3d2-0f1e-1d2c-3b4a-59687786a5b4"  # Version 1, and no variant of RFC 9562.
HEX = A.replace("-", "")
NIL = "00000000-0000-0000-0000-000000000000"
MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff"

SPELLINGS = [A, A.upper(), A.title(), HEX, HEX.upper(), f"{{{A}}}", f"{{{HEX}}}"]
SPELLINGS += [f"urn:uuid:{A}", f"urn:uuid:{HEX}"]
ALTERNATIVES = {
    "open brace": f"{{{A}",
    "closing brace": f"{A}}}",
    "two braces": f"{{{{{A}}}}}",
    "braces and urn": f"{{urn:uuid:{A}}}",
    "urn and braces": f"urn:uuid:{{{A}}}",
    "half a urn": f"uuid:{A}",
    "hyphen missing": A.replace("-", "", 1),
    "hyphens misplaced": f"{HEX[:4]}-{HEX[4:]}",
    "hyphens only at the ends": f"-{HEX}-",
    "underscore": A.replace("c", "_", 1),
    "0x": f"0x{HEX[2:]}",
    "not hex": A.replace("b", "g"),
    "a digit less": A[:-1],
    "a digit more": A + "0",
    "full-width digits": A.translate(str.maketrans("0123456789", "０１２３４５６７８９")),  # noqa: RUF001
    "space before": f" {A}",
    "newline after": f"{A}\n",
    "empty": "",
}


def cookie(*values: str) -> str:
    return "; ".join(["theme=dark", *(f"cart_id={value}" for value in values), "lang=en"])


def is_new(cart_id: str) -> bool:
    """Whether the tracker made this id itself: version 7, variant of RFC 9562."""
    return cart_id not in {A, B, NIL, MAX} and UUID(cart_id).version == 7


def test_the_cookie_comes_before_the_body(add: Callable[..., Any]) -> None:
    """R1"""
    assert add(product_id="sku", cart_id=B, HTTP_COOKIE=cookie(A)).json() == {"cart_id": A}


def test_the_body_names_the_cart_where_no_cookie_does(add: Callable[..., Any]) -> None:
    """R1"""
    assert add(product_id="sku", cart_id=B).json() == {"cart_id": B}


def test_every_visitor_without_an_id_gets_a_new_one(add: Callable[..., Any]) -> None:
    """R1"""
    first, second = (
        add(product_id="sku", HTTP_COOKIE="theme=dark").json()["cart_id"] for _ in range(2)
    )
    assert first != second
    assert is_new(first)
    assert is_new(second)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_it_accepts_every_spelling_in_the_body(add: Callable[..., Any], spelling: str) -> None:
    """R2, R6: and answers in the canonical one."""
    response = add(product_id="sku", cart_id=spelling)
    assert response.json()["cart_id"] == response.cookies["cart_id"].value == A


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_it_accepts_every_spelling_in_the_cookie(add: Callable[..., Any], spelling: str) -> None:
    """R2, R6"""
    response = add(product_id="sku", HTTP_COOKIE=cookie(spelling))
    assert response.json()["cart_id"] == response.cookies["cart_id"].value == A


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_it_accepts_every_spelling_as_python_writes_cookies(
    add: Callable[..., Any], client: Client, spelling: str
) -> None:
    """R1, R2: http.cookies puts a value with braces in quotes (RFC 6265 allows them)."""
    client.cookies["cart_id"] = spelling
    assert add(product_id="sku", cart_id=B).json() == {"cart_id": A}


@pytest.mark.parametrize("text", ALTERNATIVES.values(), ids=ALTERNATIVES)
def test_it_rejects_alternative_uuid_formats(add: Callable[..., Any], text: str) -> None:
    """R2, R5: no error, but a new cart."""
    response = add(product_id="sku", cart_id=text)
    assert response.status_code == 200
    assert is_new(response.json()["cart_id"])


@pytest.mark.parametrize("value", [B, B.upper()])
def test_it_keeps_the_bits_of_every_version(add: Callable[..., Any], value: str) -> None:
    """R2: UUID(x, version=4) would rewrite them."""
    assert add(product_id="sku", HTTP_COOKIE=cookie(value)).json() == {"cart_id": B}


@pytest.mark.parametrize("nobody", [NIL, NIL.replace("-", ""), MAX, MAX.upper(), f"{{{MAX}}}"])
def test_nil_and_max_name_no_cart(add: Callable[..., Any], nobody: str) -> None:
    """R3"""
    assert is_new(add(product_id="sku", cart_id=nobody).json()["cart_id"])
    assert add(product_id="sku", cart_id=B, HTTP_COOKIE=cookie(nobody)).json() == {"cart_id": B}


@pytest.mark.parametrize("values", [(A, B), ("bad", A, B), (NIL, "", A, B), (A, "bad")])
def test_the_first_valid_cookie_of_several_counts(
    add: Callable[..., Any], values: tuple[str, ...]
) -> None:
    """R4"""
    assert add(product_id="sku", HTTP_COOKIE=cookie(*values)).json() == {"cart_id": A}


@pytest.mark.parametrize("header", [f"cart_id={A}", f"a=b;cart_id={A};c", f"; cart_id = {A} ;"])
def test_cookies_may_stand_close_or_apart(add: Callable[..., Any], header: str) -> None:
    """R1"""
    assert add(product_id="sku", HTTP_COOKIE=header).json() == {"cart_id": A}


@pytest.mark.parametrize("header", [f"my_cart_id={A}", f"cart_id_old={A}", f"Cart_Id={A}", A])
def test_a_cookie_of_another_name_is_none(add: Callable[..., Any], header: str) -> None:
    """R1"""
    assert add(product_id="sku", cart_id=B, HTTP_COOKIE=header).json() == {"cart_id": B}


@pytest.mark.parametrize("bad", ["bad", "", NIL, f"{A}0", '"', f'""{A}""', f'"{A}', "%7B", "\xff"])
def test_an_invalid_cookie_falls_back_to_the_body_and_is_replaced(
    add: Callable[..., Any], bad: str
) -> None:
    """R5"""
    response = add(product_id="sku", cart_id=B, HTTP_COOKIE=cookie(bad))
    assert response.json()["cart_id"] == response.cookies["cart_id"].value == B


@pytest.mark.parametrize("bad", [None, True, 5, 1.5, [A], {"cart_id": A}, "bad"])
def test_an_invalid_body_id_falls_back_to_a_new_one(add: Callable[..., Any], bad: Any) -> None:
    """R5"""
    response = add(product_id="sku", cart_id=bad, HTTP_COOKIE=cookie("bad"))
    assert response.status_code == 200
    assert is_new(response.json()["cart_id"])
    assert response.cookies["cart_id"].value == response.json()["cart_id"]


def test_a_cart_is_the_same_in_every_spelling(add: Callable[..., Any]) -> None:
    """R6"""
    for spelling in SPELLINGS:
        add(product_id="sku", HTTP_COOKIE=cookie(spelling))
    assert [str(cart) for cart in Cart.objects.all()] == [A]


def test_the_client_sends_the_cookie_back(add: Callable[..., Any], client: Client) -> None:
    """R7"""
    first = add(product_id="sku").json()
    assert client.cookies["cart_id"].value == first["cart_id"]
    assert add(product_id="other", cart_id=B).json() == first


def answers_early(get_response: Any) -> Callable[[HttpRequest], HttpResponse]:
    return lambda _: HttpResponse("early")


def test_the_cookie_is_set_when_an_inner_layer_answers_early(client: Client, settings: Any) -> None:
    """R7"""
    settings.MIDDLEWARE = [
        "middleware.cart_id.CartIdMiddleware",
        f"{__name__}.{answers_early.__name__}",
    ]
    response = client.post("/items", HTTP_COOKIE=cookie(A))
    assert response.content == b"early"
    assert response.cookies["cart_id"].value == A


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/livez", "/openapi.json", "/admin/login/", "/itemsx"])
def test_pages_that_are_not_the_trackers_never_set_the_cookie(client: Client, path: str) -> None:
    """R7"""
    assert "cart_id" not in client.get(path, HTTP_COOKIE=cookie(A)).cookies


OVER_HTTPS = {"HttpOnly", "Secure", "SameSite=None", "Partitioned", "Path=/", "Max-Age=31536000"}
OVER_HTTP = {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"}


@pytest.mark.django_db
@pytest.mark.parametrize(("secure", "attributes"), [(True, OVER_HTTPS), (False, OVER_HTTP)])
def test_the_cookies_attributes(client: Client, secure: bool, attributes: set[str]) -> None:
    """R8: what is written, and nothing else."""
    response = client.post(
        "/items", {"product_id": "sku"}, "application/json", secure=secure, HTTP_COOKIE=cookie(A)
    )
    written = response.cookies.output(header="").strip().split("; ")
    assert written[0] == f"cart_id={A}"
    assert sorted(written[1:]) == sorted(attributes)


@pytest.mark.django_db
def test_the_cookies_attributes_can_be_read(client: Client) -> None:
    """R7, R8"""
    response = client.post("/items", {"product_id": "sku"}, "application/json", secure=True)
    morsel = response.cookies["cart_id"]
    assert morsel["httponly"]
    assert morsel["secure"]
    assert morsel["partitioned"]
    assert (morsel["samesite"], morsel["path"], morsel["max-age"]) == ("None", "/", 31_536_000)
