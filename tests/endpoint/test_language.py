"""Generated texts and bodies, against readers that were written another way (R2, R11-R15)."""

import json
import math
import os
import string
from typing import Any
from uuid import UUID

import pytest
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given, settings
from msgspec import UNSET

from tests.support.generated import bodies, uuid_texts
from tracker.cart_ids import parse_cart_id
from tracker.endpoint.body import MAX_BODY_BYTES, json_body
from tracker.endpoint.payload import parse_add
from tracker.endpoint.problem import Problem
from tracker.models import Item

IN_CI = bool(os.environ.get("CI"))
BODIES, TEXTS, THROUGH_ALL = (20_000, 5_000, 2_000) if IN_CI else (100, 100, 50)
CART = UUID("0d9c8b7a-1c2d-4e3f-8a5b-6c7d8e9f0a1b")
TOO_DEEP_TO_TELL = 200  # Between here and the end of the stack, both answers are right.


def examples(count: int) -> settings:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=count, deadline=None, suppress_health_check=checks)


def named_cart(text: str) -> UUID | None:
    """R2 and R3 by cutting a text into pieces."""
    if text.startswith("urn:uuid:"):
        text = text.removeprefix("urn:uuid:")
    elif text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    parts = text.split("-")
    if [len(part) for part in parts] not in ([32], [8, 4, 4, 4, 12]):
        return None
    digits = "".join(parts).lower()
    if set(digits) - set(string.hexdigits) or (len(set(digits)) == 1 and digits[0] in "0f"):
        return None
    return UUID(bytes=bytes.fromhex(digits))


@given(uuid_texts())
@examples(TEXTS)
def test_a_text_names_a_cart_or_none(text: str) -> None:
    """R2, R3"""
    assert parse_cart_id(text) == named_cart(text)


@pytest.mark.django_db
@given(uuid_texts())
@examples(THROUGH_ALL)
def test_the_cart_of_a_text_is_answered(client: Client, text: str) -> None:
    """R1, R2, R5, R6: a new cart for every other text."""
    client.cookies.clear()
    body = {"product_id": "sku", "cart_id": text}
    answered = UUID(client.post("/items", body, "application/json").json()["cart_id"])
    expected = named_cart(text)
    assert answered == expected if expected else answered.version == 4


class Refused(ValueError):
    """Python's JSON reader would take it; the rules do not."""


def _finite(literal: str) -> float:
    if math.isinf(number := float(literal)):
        raise Refused
    return number


def _constant(literal: str) -> None:
    raise Refused


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    json.dumps(pairs, ensure_ascii=False).encode()  # A lone surrogate has no UTF-8.
    return dict(pairs)


def read(raw: bytes) -> Any:
    """R10 and R14-R16 by Python's own reader. Raises ValueError for what is refused."""
    if len(raw) > MAX_BODY_BYTES:
        raise Refused
    body = json.loads(
        raw.decode(),
        parse_float=_finite,
        parse_constant=_constant,
        object_pairs_hook=_members,
    )
    json.dumps(body, ensure_ascii=False).encode()
    return body


def is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and "\0" not in value


def is_price(value: Any) -> bool:
    return json.dumps(value).isdigit() and value < 2**53


def bad_members(body: Any) -> set[str]:
    """R11-R13: JSON pointers."""
    if not isinstance(body, dict):
        return {""}
    product_id, name, price = (body.get(key) for key in ("product_id", "name", "price"))
    good = {
        "/product_id": is_text(product_id, 255) and str(product_id).strip() != "",
        "/name": name is None or is_text(name, 1000),
        "/price": price is None or is_price(price),
    }
    return {pointer for pointer, holds in good.items() if not holds}


def expected(raw: bytes) -> tuple[set[str], dict[str, Any]]:
    """The pointers to what is wrong with a body, or else the members to store."""
    try:
        body = read(raw)
    except ValueError:
        return {""}, {}
    if bad := bad_members(body):
        return bad, {}
    return set(), {key: body[key] for key in ("product_id", "name", "price") if key in body}


def too_deep_to_tell(raw: bytes) -> bool:
    return raw.count(b"[") + raw.count(b"{") > TOO_DEEP_TO_TELL


def understood(raw: bytes) -> tuple[set[str], dict[str, Any]]:
    """The same, by the tracker's own reader and checks."""
    request = RequestFactory().post("/items", raw, "application/json")
    try:
        add = parse_add(CART, json_body(request))
    except Problem as problem:
        return {fault.pointer for fault in problem.faults}, {}
    sent = {"product_id": add.product_id, "name": add.name, "price": add.price}
    return set(), {key: value for key, value in sent.items() if value is not UNSET}


@pytest.mark.timeout(300)
@given(bodies())
@examples(BODIES)
def test_a_body_is_understood_or_refused(raw: bytes) -> None:
    """R10-R15: by the code that is the same on every database, for speed."""
    found = understood(raw)
    assert too_deep_to_tell(raw) or found == expected(raw)


@pytest.mark.django_db
@given(bodies())
@examples(THROUGH_ALL)
def test_a_body_is_stored_as_it_was_sent_or_refused(client: Client, raw: bytes) -> None:
    """R11-R15: through all of the middleware, into the rows."""
    client.cookies.clear()
    response = client.post("/items", raw, "application/json")
    assert response.status_code in {200, 400, 413}
    if too_deep_to_tell(raw):
        return
    bad, members = expected(raw)
    assert (response.status_code == 200) == (not bad)
    if members:
        items = Item.objects.filter(cart=response.json()["cart_id"])
        assert items.filter(**members).exists()
