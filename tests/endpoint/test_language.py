"""Generated texts and bodies, against readers that were written another way (R2, R11-R15)."""

import json
import math
import os
import string
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import pytest
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from tracker.cart_ids import parse_cart_id
from tracker.endpoint.body import MAX_BODY_BYTES, json_body
from tracker.endpoint.payload import parse_add
from tracker.endpoint.problem import Problem
from tracker.models import Item

T = TypeVar("T")


@st.composite
def _weighted(draw: st.DrawFn, *choices: st.SearchStrategy[T]) -> T:
    """Draw any of these. What is given twice is drawn twice as often, unlike with `one_of`."""
    return draw(choices[draw(st.integers(0, len(choices) - 1))])


# -- Cart ids --------------------------------------------------------------------------------------
_IDS = st.uuids() | st.sampled_from([UUID(int=0), UUID(int=2**128 - 1), UUID(int=1)])
_CASES: list[Callable[[str], str]] = [str.lower, str.upper, str.title]
_HYPHENATED = [8, 4, 4, 4, 12]
_SIZES = st.sampled_from([_HYPHENATED, _HYPHENATED, [32]])
_FORMS = ["*", "{*}", "urn:uuid:*"]
_WRONG_FORMS = ["URN:UUID:*", "uuid:*", "{*", "*}", "{{*}}", "{urn:uuid:*}", "urn:uuid:{*}", " *"]
_WRONG_FORMS += ["*\n", "0x*", '"*"', "(*)", "*-", "\ufeff*", "*\0", "urn:uuid:urn:uuid:*"]
_PATCHES = ["", "-", "_", "{", "}", "\n", "0", "F", "g", "--", "{{", "\uff10", "\uff41", "\u0660"]
_PATCHES += ["\0", "\u212a", "é"]


@st.composite
def uuid_texts(draw: st.DrawFn) -> str:
    """Draw an id in some case, grouping and form, damaged in up to two places."""
    digits = draw(st.sampled_from(_CASES))(draw(_IDS).hex)
    forms = [st.sampled_from(_FORMS)] * 4
    form = draw(_weighted(*forms, st.sampled_from(_WRONG_FORMS)))
    sizes = draw(_weighted(_SIZES, _SIZES, _SIZES, st.permutations(_HYPHENATED)))
    text = form.replace("*", "-".join(_cut(digits, sizes)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at, removed = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(st.sampled_from(_PATCHES)) + text[at + removed :]
    return text


def _cut(digits: str, sizes: list[int]) -> list[str]:
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    return [digits[end - size : end] for end, size in zip(ends, sizes, strict=True)]


# -- Values ----------------------------------------------------------------------------------------
# As JSON writes them. The members' rules (R11-R13) decide about these...
_NUMBERS = ["0", "-0", "1299", "-1", "10.0", "1e3", "0e0", "1e-400", "0." + "9" * 5000, "9" * 4300]
_NUMBERS += [str(number) for number in (2**31, 2**53 - 1, 2**53, 2**63, -(2**63) - 1, 2**64)]
_STRINGS = ["", " ", "\u00a0\u3000", "\\u0020\\n", "sku", "\\u0000", "a\\u0000", "\x7f", "\\/"]
_STRINGS += ["\\ud83d\\ude00", "\ufeff", "\u2028", "\uffff", "\u200b", "\x85", "\\u001c", "'", "%s"]
_STRINGS += [unit * times for unit in ("x", "\U0001f600") for times in (255, 256, 1000, 1001)]
_OTHERS = ["null", "true", "false", "[]", "{}", '["sku"]', '{"price":-1}', "[" * 90 + "]" * 90]
_JSON = [*_NUMBERS, *(f'"{text}"' for text in _STRINGS), *_OTHERS]

# ... and these are no JSON, or none that R15 takes; the last ones are, but at the stack's end.
_NOT_JSON = ["01", "1.", "+1", ".5", "-", "0x10", "1_000", "\uff11", "NaN", "Infinity", "-Infinity"]
_NOT_JSON += ["1e400", "-1e400", "9" * 4301, "-" + "9" * 8000, "9" * 310 + ".5", "nul", "True", ""]
_NOT_JSON += [
    f'"{text}"' for text in ("\0", "\t", "\\", "\\x", "\\u12", "\\ud83d", "\\ude00\\ud83d")
]
_NOT_JSON += ['"\\uD83Dx"', '"\ud83d"', "'a'", "[1,]", '{"a":1,}', "{1:2}", '{"\\ud83d":1}', "//"]
_NOT_JSON += ["[" * 9000, *("[" * depth + "]" * depth for depth in (950, 1100, 4000))]

_TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=4,
)
_DUMPED = st.builds(
    lambda value, ascii_: json.dumps(value, ensure_ascii=ascii_), _VALUES, st.booleans()
)

# -- Bodies ----------------------------------------------------------------------------------------
_KEYS = ["product_id", "name", "price", "name", "price", "cart_id", "x", "\\u0070rice", "Price", ""]
_MEMBERS = st.tuples(
    st.sampled_from(_KEYS),
    _weighted(st.sampled_from(_JSON), st.sampled_from(_JSON), st.sampled_from(_JSON), _DUMPED),
)
_WRONG_MEMBERS = st.tuples(st.sampled_from([*_KEYS, "\\ud83d", "a\tb"]), st.sampled_from(_NOT_JSON))
_BASES = [['"product_id":"sku"'], ['"product_id": "sku", "name": "Socks", "price": 5'], []]


@st.composite
def _objects(draw: st.DrawFn, *, wrong: bool = False) -> bytes:
    """Draw members in any number and order, often beside valid ones, some repeated."""
    members = list(draw(st.sampled_from(_BASES)))
    added = draw(st.lists(_MEMBERS, max_size=3))
    for key, value in [*added, draw(_WRONG_MEMBERS)] if wrong else added:
        members.insert(draw(st.integers(0, len(members))), f'"{key}":{value}')
    return f"{{{','.join(members)}}}".encode("utf-8", "surrogatepass")


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """Draw an object with some bytes inserted or removed anywhere."""
    raw = draw(_objects())
    at, removed = draw(st.integers(0, len(raw))), draw(st.sampled_from([0, 1, 5, len(raw)]))
    patches = [b"", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xef\xbb\xbf", b"\0", b" ", b"}", b'"']
    return raw[:at] + draw(st.sampled_from(patches) | st.binary(max_size=3)) + raw[at + removed :]


def bodies() -> st.SearchStrategy[bytes]:
    """Draw bodies: mostly JSON objects, else wrong in one way or altogether."""
    others = st.one_of(
        st.binary(max_size=40),
        _DUMPED.map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.sampled_from([b"", b"\xef\xbb\xbf{}", b"[" * 9000, b'{"a":' * 3000, b"{" * 16_385]),
        _objects().map(lambda raw: raw.decode("utf-8", "replace").encode("utf-16")),
    )
    sound = _objects()
    return _weighted(sound, sound, sound, sound, _objects(wrong=True), _damaged(), others)


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
    assert answered == expected if expected else answered.version == 7


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
