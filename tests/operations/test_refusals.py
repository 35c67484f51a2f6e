"""What is kept of a refusal, and what is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.support.refusals import SHOP, STRANGER, counted, files
from tracker.endpoint.problem import refused, request_refused
from tracker.operations.refusal_record import NO_ORIGIN, Wrong, safe_text
from tracker.operations.refusals import ANY_CODE, collect, publish

CART = "6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10"

pytest_plugins = ["tests.support.refusals"]
pytestmark = pytest.mark.usefixtures("var_dir")

Add = Callable[..., HttpResponse]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"product_id": 4711}, Wrong("not_a_string", "/product_id", "4711")),
        ({"product_id": "\u00a0"}, Wrong("blank", "/product_id", '"\\xa0"')),
        ({}, Wrong("required", "/product_id", None)),
        ({"product_id": "a", "price": "12.99"}, Wrong("not_an_integer", "/price", '"12.99"')),
        ({"product_id": "a", "price": -1}, Wrong("out_of_range", "/price", "-1")),
        ({"product_id": "a", "name": ["b"]}, Wrong("not_a_string", "/name", '["b"]')),
        (b'{"product_id": "secret"', Wrong("malformed_json", "", None)),
        (["secret"], Wrong("not_an_object", "", None)),
        (b" " * 20_000, Wrong("body_too_large", "", None)),
    ],
)
def test_a_refusal_is_kept_with_the_refused_value(body: Any, fault: Wrong, add: Add) -> None:
    status = add(body, HTTP_ORIGIN=SHOP, HTTP_X_REQUEST_ID="shop-7").status_code
    (kept,) = collect().sample
    assert kept.faults == [fault]
    assert (kept.status, kept.origin, kept.request_id) == (status, SHOP, "shop-7")
    assert (kept.method, kept.path) == ("POST", "/items")
    assert counted() == {(ANY_CODE, SHOP): 1, (fault.code, SHOP): 1}


def test_a_request_with_two_mistakes_counts_once_and_under_both(add: Add) -> None:
    add(product_id="", price=-1, name="secret")
    assert counted() == {
        (ANY_CODE, NO_ORIGIN): 1,
        ("blank", NO_ORIGIN): 1,
        ("out_of_range", NO_ORIGIN): 1,
    }
    assert "secret" not in str(collect())


def test_a_page_that_is_not_listed_and_a_wrong_address_are_kept(add: Add, client: Client) -> None:
    add(product_id="a", HTTP_ORIGIN=STRANGER)
    client.get("/items")
    client.get("/items/below")
    client.post("/items", HTTP_HOST="other.example")
    codes = {code for code, _ in counted() if code}
    assert codes == {"origin_not_allowed", "method_not_allowed", "not_found", "host_not_allowed"}
    assert counted()["origin_not_allowed", STRANGER] == 1


def test_an_accepted_add_is_no_business_of_this(add: Add) -> None:
    sent: list[Any] = []

    def receive(**kwargs: Any) -> None:
        sent.append(kwargs)

    for signal in (refused, request_refused):
        signal.connect(receive)
    try:
        assert add(product_id="a").status_code == 200
        assert sent == []
        add(product_id="")
        assert len(sent) == 2
    finally:
        for signal in (refused, request_refused):
            signal.disconnect(receive)


def test_only_a_cart_that_was_named_is_kept_by_its_code(add: Add) -> None:
    add(product_id="", cart_id=CART)
    add(product_id="", HTTP_COOKIE=f"a=b; cart_id={CART.upper()}")
    add(product_id="")
    add(product_id="", cart_id="no cart")
    assert [each.cart for each in collect().sample] == [CART[-8:], CART[-8:], "", ""]


# -- What is not kept ------------------------------------------------------------------------------

FORMS = ["{}", "urn:uuid:{}", "x{}", "{}{}", "/items/{}", "sku-{}-1", '"{}"', "{} {} {} {}", "a {}"]


@st.composite
def texts_with_ids(draw: st.DrawFn) -> tuple[UUID, str]:
    """A cart's id, in any form, in the middle of other text."""
    cart_id = draw(st.uuids())
    written = draw(st.sampled_from([str(cart_id), cart_id.hex, str(cart_id).upper()]))
    form = draw(st.sampled_from(FORMS)).replace("{}", written)
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
    around = texts | st.integers(0, 120).map(".".__mul__)  # So that the cut goes through the id.
    return cart_id, draw(around) + form + draw(around)


def has_id(cart_id: UUID, text: str) -> bool:
    return cart_id.hex[8:20] in text.replace("-", "").replace(" ", "").lower()


@given(texts_with_ids())
def test_no_text_keeps_a_cart_id(found: tuple[UUID, str]) -> None:
    cart_id, text = found
    if len(set(cart_id.hex)) > 8:  # Else what is looked for is in any text.
        assert not has_id(cart_id, safe_text(text, 100))


@pytest.mark.django_db
@given(texts_with_ids(), st.sampled_from(["product_id", "name", "price", "cart_id"]))
@examples(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_file_and_no_page_has_a_cart_id(
    admin_client: Client, var_dir: Path, found: tuple[UUID, str], member: str
) -> None:
    """Wherever a client has put it, and whatever was refused."""
    cart_id, text = found
    body: dict[str, Any] = {"product_id": "", "name": "", "cart_id": str(cart_id)}
    for value in (text, [text], {text: text}):
        client = Client()
        client.post("/items", body | {member: value}, "application/json", HTTP_ORIGIN=text[:200])
        client.post(
            "/items/" + str(cart_id),
            body | {member: value},
            "application/json",
            HTTP_COOKIE=f"cart_id={cart_id}",
            HTTP_X_REQUEST_ID=str(cart_id),
        )
    publish(at_once=True)
    written = "".join(file.read_text() for file in files(var_dir))
    assert cart_id.hex[-8:] in written
    for shown in (written, admin_client.get(reverse("admin:refusals")).content.decode()):
        assert str(cart_id) not in shown.lower()
        assert cart_id.hex not in shown.lower()


def test_what_hides_in_a_text_is_shown() -> None:
    assert safe_text("a\u202eb\u200b\n\x00", 100) == "a\\u202eb\\u200b\\n\\x00"
    assert len(safe_text("\u202e" * 500, 100)) == 100


def test_a_text_of_any_length_is_cut(add: Add, client: Client) -> None:
    add(product_id="ö" * 10_000, HTTP_ORIGIN="https://" + "o" * 10_000)
    add(product_id="x" * 15_000, HTTP_ORIGIN=SHOP)
    client.get("/items/" + "p" * 10_000)
    stranger, long, path = collect().sample
    assert len(stranger.origin) == 128
    assert [len(fault.value or "") for fault in long.faults] == [100]
    assert len(path.path) == 64
