"""The storefront's short way through core/handler.py answers as Django's own way does."""

from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from io import BytesIO
from time import monotonic
from typing import Any
from unittest import mock
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.db import connection

from core.handler import Application
from tracker.models import Item

CART = "6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10"
SHOP = "https://shop.example"
GOOD = b'{"product_id": "sku-1", "price": 5}'
Answer = tuple[str, list[tuple[str, str]], bytes]

REQUESTS: list[tuple[bytes, dict[str, str]]] = [
    (GOOD, {}),
    (GOOD, {"PATH_INFO": "/items/", "wsgi.url_scheme": "https"}),
    (GOOD, {"HTTP_ORIGIN": SHOP, "HTTP_X_REQUEST_ID": "theirs"}),
    (GOOD, {"HTTP_ORIGIN": "https://evil.example"}),
    (GOOD, {"HTTP_HOST": "evil.example"}),
    (GOOD, {"CONTENT_TYPE": "text/html"}),
    (GOOD, {"CONTENT_LENGTH": "20000"}),
    (GOOD, {"CONTENT_LENGTH": "99"}),
    (b'{"product_id": "", "price": -1}', {"HTTP_ORIGIN": SHOP}),
    (b"{", {}),
    (b"", {"REQUEST_METHOD": "GET"}),
    (b"", {"REQUEST_METHOD": "OPTIONS"}),
    (
        b"",
        {
            "REQUEST_METHOD": "OPTIONS",
            "HTTP_ORIGIN": SHOP,
            "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST",
        },
    ),
]


def ask(application: Any, body: bytes, given: dict[str, str]) -> Answer:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/items",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        "HTTP_COOKIE": f"cart_id={CART}",
        "HTTP_X_REQUEST_ID": "ours",
        "wsgi.input": BytesIO(body),
        **given,
    }
    setup_testing_defaults(environ)
    started: list[Any] = []
    result: Iterable[bytes] = application(environ, lambda *args: started.extend(args))
    return started[0], sorted(started[1]), b"".join(result)


def both(body: bytes, given: dict[str, str]) -> tuple[Answer, Answer]:
    django = get_wsgi_application()
    return ask(Application(django), body, given), ask(django, body, given)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("body", "given"), REQUESTS)
def test_both_ways_answer_alike(body: bytes, given: dict[str, str]) -> None:
    short, long = both(body, given)
    assert short == long


@pytest.mark.django_db
def test_both_ways_answer_alike_when_the_view_fails() -> None:
    """R31, R33"""
    with mock.patch("tracker.endpoint.views.parse_add", side_effect=ZeroDivisionError):
        short, long = both(GOOD, {"HTTP_ORIGIN": SHOP})
    assert short[0] == "500 Internal Server Error"
    assert ("Access-Control-Allow-Origin", SHOP) in short[1]
    assert short == long


@pytest.mark.django_db
def test_the_short_way_is_taken_and_stores() -> None:
    """Without it, every add would pay for the signals about database connections."""
    with mock.patch("core.handler.WSGIRequest", wraps=WSGIRequest) as made:
        ask(Application(get_wsgi_application()), GOOD, {})
    assert made.called
    assert Item.objects.get().price == 5


@pytest.mark.parametrize(("path", "short"), [("/items", True), ("/items/5", False), ("/", False)])
def test_nothing_else_takes_the_short_way(path: str, short: bool) -> None:
    django = mock.Mock(return_value=[])
    ask_it = partial(Application(django), {"PATH_INFO": path, "REQUEST_METHOD": "GET"})
    with (
        mock.patch("core.handler.WSGIRequest", side_effect=ZeroDivisionError),
        pytest.raises(ZeroDivisionError) if short else nullcontext(),
    ):
        ask_it(None)
    assert django.called is not short


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_not_kept_longer_than_its_age() -> None:
    """CONN_MAX_AGE, which Django's signals would see to: the intake does it itself."""
    application = Application(get_wsgi_application())
    ask(application, GOOD, {})
    kept = connection.connection
    ask(application, GOOD, {})
    assert connection.connection is kept
    connection.close_at = monotonic()
    ask(application, GOOD, {})
    assert connection.connection is not kept
