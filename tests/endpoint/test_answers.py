"""What is answered, whatever is asked and whatever fails (R7, R17, R30-R32)."""

import re
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.test import Client

from tracker.models import Cart

A = "0d9c8b7a-1c2d-4e3f-8a5b-6c7d8e9f0a1b"


def assert_problem(response: Any, status: int, code: str) -> None:
    """R31: a document of RFC 9457 with one fault, and nothing of the code behind it."""
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    document = response.json()
    assert set(document) == {"type", "title", "status", "detail", "errors"}
    assert (document["type"], document["status"]) == ("about:blank", status)
    assert [fault["code"] for fault in document["errors"]] == [code]
    assert re.fullmatch("[a-z_]+", code)
    assert not re.search(r"Traceback|<html|<!DOCTYPE|on purpose|\.py\b", response.text)


@pytest.fixture(params=[True, False], ids=["debug", "no debug"])
def debug_or_not(request: pytest.FixtureRequest, settings: Any) -> None:
    """With DEBUG, Django shows pages with the code and its variables."""
    settings.DEBUG = request.param


@pytest.mark.parametrize("known", [True, False])
def test_success_is_the_carts_id_and_nothing_else(add: Callable[..., Any], known: bool) -> None:
    """R30: the same for a cart that exists and one that does not."""
    if known:
        Cart.objects.create(id=A)
    response = add(product_id="sku", cart_id=A.upper())
    assert (response.status_code, response.content) == (200, f'{{"cart_id": "{A}"}}'.encode())
    assert set(response.headers) == {"Content-Type", "Cache-Control", "Vary", "X-Request-ID"}
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_the_address_is_the_same_with_and_without_a_slash(client: Client) -> None:
    """R17"""
    with_slash, without = (
        client.post(path, {"product_id": "sku"}, "application/json")
        for path in ("/items/", "/items")
    )
    assert with_slash.status_code == without.status_code == 200
    assert with_slash.json() == without.json()


@pytest.mark.parametrize("path", ["/items", "/items/"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "ITEMS"])
def test_other_methods_are_refused(client: Client, method: str, path: str) -> None:
    """R17, R7"""
    response = client.generic(method, path, '{"product_id": "sku"}', "application/json")
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "OPTIONS, POST"
    assert not response.cookies


def test_head_is_refused_without_a_body(client: Client) -> None:
    """R17"""
    response = client.head("/items")
    assert (response.status_code, response.content) == (405, b"")
    assert response.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("path", ["/items", "/items/"])
def test_options_says_what_is_allowed(client: Client, path: str) -> None:
    """R17, R7"""
    response = client.options(path, HTTP_COOKIE=f"cart_id={A}")
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Allow"] == "OPTIONS, POST"
    assert not response.cookies


@pytest.mark.usefixtures("debug_or_not")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/items/5", "/items//", "/items/<b>", "/items/%00", "/items/%FF"])
def test_nothing_below_items_is_html(client: Client, path: str, method: str) -> None:
    """R31, R7"""
    response = client.generic(method, path, '{"product_id": "sku"}', "application/json")
    assert_problem(response, 404, "not_found")
    assert not response.cookies


@pytest.mark.usefixtures("debug_or_not")
@pytest.mark.parametrize("path", ["/items", "/items/", "/items/5"])
def test_a_foreign_host_is_refused(client: Client, path: str) -> None:
    """R31, R7"""
    response = client.post(path, {}, "application/json", HTTP_HOST="evil.example")
    assert_problem(response, 400, "host_not_allowed")
    assert not response.cookies


ANSWERS: dict[type[Exception], tuple[int, str]] = {
    RuntimeError: (500, "internal_error"),
    RecursionError: (500, "internal_error"),
    MemoryError: (500, "internal_error"),
    Http404: (404, "not_found"),
    PermissionDenied: (403, "bad_request"),
    SuspiciousOperation: (400, "bad_request"),
}


@pytest.mark.usefixtures("debug_or_not")
@pytest.mark.parametrize("error", ANSWERS)
@pytest.mark.parametrize(
    "where", ["tracker.endpoint.views.parse_add", "tracker.endpoint.cart.json_body"]
)
def test_an_exception_is_a_problem_document(
    client: Client, where: str, error: type[Exception]
) -> None:
    """R31, R7"""
    client.raise_request_exception = False
    with mock.patch(where, side_effect=error("on purpose")):
        response = client.post("/items", {"product_id": "sku"}, "application/json")
    assert_problem(response, *ANSWERS[error])
    assert not response.cookies


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, DatabaseError])
def test_a_database_that_fails_is_503_and_the_retry_keeps_its_cart(
    add: Callable[..., Any], error: type[Exception]
) -> None:
    """R32, R7"""
    with mock.patch("tracker.rows.merge.merge", side_effect=error("on purpose")):
        refused = add(product_id="sku")
    assert_problem(refused, 503, "unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.cookies["cart_id"].value
    assert not Cart.objects.exists()
    assert add(product_id="sku").json() == {"cart_id": refused.cookies["cart_id"].value}


def test_a_failing_database_is_named_to_the_shops_page_too(add: Callable[..., Any]) -> None:
    """R32, R33"""
    with mock.patch("tracker.rows.merge.merge", side_effect=OperationalError("on purpose")):
        response = add(product_id="sku", cart_id=A, HTTP_ORIGIN="https://shop.example")
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert response.cookies["cart_id"].value == A


def test_a_bad_request_is_refused_while_the_database_fails(add: Callable[..., Any]) -> None:
    """R32: a retry would not help, so it is no 503."""
    with mock.patch("tracker.rows.merge.merge", side_effect=OperationalError("on purpose")):
        assert_problem(add(product_id=5), 400, "not_a_string")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"product_id": 5}, 400),
        ({"body": b"{"}, 400),
        ({"body": b"x" * 16_385}, 413),
        ({"body": b"{}", "content_type": "text/html"}, 415),
        ({"product_id": "sku", "HTTP_ORIGIN": "https://evil.example"}, 403),
    ],
)
def test_a_refusal_sets_no_cookie(
    add: Callable[..., HttpResponse], given: dict[str, Any], status: int
) -> None:
    """R7"""
    response = add(**given, HTTP_COOKIE=f"cart_id={A}")
    assert response.status_code == status
    assert not response.cookies


@pytest.mark.django_db
def test_pages_beside_items_keep_their_own_form(client: Client) -> None:
    """R31: the console is for people."""
    assert client.get("/admin/login/").headers["Content-Type"].startswith("text/html")
    assert client.get("/itemsx").headers["Content-Type"].startswith("text/html")
