"""The body of a request, as a whole (R10, R14-R16)."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.test import Client

from tracker.models import Cart, Item

LIMIT = 16_384
VALID = b'{"product_id": "sku"}'

SPOILED = {
    "empty": b"",
    "only white space": b" \n",
    "truncated": VALID[:-1],
    "truncated in a text": b'{"product_id": "sk',
    "two values": VALID + VALID,
    "trailing comma": b'{"product_id": "sku",}',
    "single quotes": b"{'product_id': 'sku'}",
    "comment": b'{"product_id": "sku"} // x',
    "byte-order mark": b"\xef\xbb\xbf" + VALID,
    "UTF-16": VALID.decode().encode("utf-16"),
    "UTF-16 without a mark": VALID.decode().encode("utf-16-le"),
    "Latin-1": '{"product_id": "é"}'.encode("latin-1"),
    "bad UTF-8 in an ignored member": b'{"product_id": "sku", "x": "\xff"}',
    "bad UTF-8 in a member's name": b'{"product_id": "sku", "\xff": 1}',
    "overlong UTF-8": b'{"product_id": "\xc0\xaf"}',
    "encoded surrogate": b'{"product_id": "\xed\xa0\x80"}',
    "high surrogate": rb'{"product_id": "\ud83d"}',
    "low surrogate": rb'{"product_id": "\ude00"}',
    "surrogates in the wrong order": rb'{"product_id": "\ude00\ud83d"}',
    "surrogate in an ignored member": rb'{"product_id": "sku", "x": "\ud83d"}',
    "surrogate in a member's name": rb'{"product_id": "sku", "\ud83d": 1}',
    "raw control character": b'{"product_id": "a\x01"}',
    "raw null character": b'{"product_id": "a\0"}',
    "NaN": b'{"product_id": "sku", "price": NaN}',
    "Infinity": b'{"product_id": "sku", "price": Infinity}',
    "-Infinity in an ignored member": b'{"product_id": "sku", "x": -Infinity}',
    "number beyond a double": b'{"product_id": "sku", "price": 1e400}',
    "thousands of digits": b'{"product_id": "sku", "price": ' + b"9" * 8000 + b"}",
    "thousands of digits, ignored": b'{"product_id": "sku", "x": ' + b"9" * 8000 + b"}",
    "leading zero": b'{"product_id": "sku", "price": 01}',
    "nothing but open lists": b"[" * LIMIT,
    "nothing but open objects": b'{"a":' * (LIMIT // 5),
}


def code(response: Any) -> str:
    (fault,) = response.json()["errors"]
    assert fault["pointer"] == ""
    return str(fault["code"])


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/ld+json",
        "application/vnd.shop.add+json;v=1",
        "text/plain",
        "text/plain;charset=UTF-8",
        "",
    ],
)
def test_it_reads_json_under_these_types(add: Callable[..., Any], content_type: str) -> None:
    """R10"""
    assert add(VALID, content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/jsonp",
        "application/xml",
        "text/html",
        "text/json",
        "json",
        "+json",
    ],
)
def test_it_refuses_other_types(add: Callable[..., Any], content_type: str) -> None:
    """R10"""
    response = add(VALID, content_type)
    assert (response.status_code, code(response)) == (415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity"])
def test_it_refuses_a_content_encoding(add: Callable[..., Any], encoding: str) -> None:
    """R10"""
    response = add(VALID, HTTP_CONTENT_ENCODING=encoding)
    assert (response.status_code, code(response)) == (415, "unsupported_content_encoding")


@pytest.mark.parametrize("body", [b"null", b"5", b"true", b'"sku"', b"[]", b"[" + VALID + b"]"])
def test_the_body_must_be_one_object(add: Callable[..., Any], body: bytes) -> None:
    """R10"""
    response = add(body)
    assert (response.status_code, code(response)) == (400, "not_an_object")


def test_it_ignores_unknown_members(add: Callable[..., Any]) -> None:
    """R14"""
    assert add(product_id="sku", quantity=2, id=5, Price="x", nested={"price": -1}).json()
    assert Item.objects.values_list("product_id", "price").get() == ("sku", None)


def test_the_last_of_a_repeated_member_counts(add: Callable[..., Any]) -> None:
    """R14"""
    add(b'{"product_id": 5, "price": "x", "product_id": "sku", "price": 1, "price": 2}')
    assert Item.objects.values_list("product_id", "price").get() == ("sku", 2)
    assert add(b'{"product_id": "sku", "price": 2, "price": "x"}').status_code == 400


@pytest.mark.parametrize("body", SPOILED.values(), ids=SPOILED)
def test_a_body_that_is_not_json_is_refused(add: Callable[..., Any], body: bytes) -> None:
    """R15, R23"""
    response = add(body)
    assert (response.status_code, code(response)) == (400, "malformed_json")
    assert not Cart.objects.exists()


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_never_makes_a_server_error(
    add: Callable[..., Any], brackets: tuple[bytes, bytes]
) -> None:
    """R15"""
    before, after = brackets
    for depth in (100, 900, 1000, 1100, LIMIT // 7):
        nested = before * depth + b"0" + after * depth
        assert add(b'{"product_id": "sku", "x": ' + nested + b"}").status_code in {200, 400}


def test_characters_of_every_plane_are_kept(add: Callable[..., Any]) -> None:
    """R10, R11"""
    add(rb'{"product_id": "\u00e9\ud83d\ude00\u2028\uffff"}')
    assert Item.objects.get().product_id == "é😀\u2028\uffff"


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (LIMIT * 200, 413)])
def test_a_body_has_16_kib_at_most(add: Callable[..., Any], size: int, status: int) -> None:
    """R16"""
    assert add(VALID.ljust(size)).status_code == status


def test_a_body_that_is_announced_too_large_is_not_read(client: Client) -> None:
    """R16"""
    stream = BytesIO(VALID)
    response = client.post("/items", CONTENT_LENGTH=str(LIMIT + 1), **json_from(stream))
    assert (response.status_code, code(response)) == (413, "body_too_large")
    assert stream.tell() == 0


def test_a_body_that_is_not_announced_is_read_to_the_limit(client: Client) -> None:
    """R16: chunked, where the server ends the stream by itself."""
    stream = BytesIO(VALID.ljust(LIMIT * 10))
    response = client.post("/items", CONTENT_LENGTH="", **json_from(stream))
    assert (response.status_code, code(response)) == (413, "body_too_large")
    assert stream.tell() == LIMIT + 1


@pytest.mark.django_db
def test_a_body_that_is_not_announced_is_understood(client: Client) -> None:
    """R10"""
    stream = BytesIO(VALID.ljust(LIMIT))
    assert client.post("/items", CONTENT_LENGTH="", **json_from(stream)).status_code == 200


@pytest.mark.parametrize(
    ("announced", "says"),
    [
        (str(len(VALID) + 1), "body_incomplete"),
        ("x", "malformed_request"),
        ("1e2", "malformed_request"),
        ("+9", "malformed_request"),
        ("-1", "malformed_request"),
        ("1_0", "malformed_request"),
    ],
)
def test_a_body_that_is_not_as_announced_is_refused(
    client: Client, announced: str, says: str
) -> None:
    """R15"""
    response = client.post("/items", CONTENT_LENGTH=announced, **json_from(BytesIO(VALID)))
    assert (response.status_code, code(response)) == (400, says)


def json_from(stream: BytesIO) -> dict[str, Any]:
    """What a WSGI server puts into the environment of a request that it has not read."""
    return {
        "CONTENT_TYPE": "application/json",
        "wsgi.input": stream,
        "wsgi.input_terminated": True,
    }


def test_json_in_any_layout_is_read(add: Callable[..., Any]) -> None:
    """R10"""
    body = json.dumps({"product_id": "sku", "price": 5}, indent="\t")
    assert add(f"\r\n {body} \t".encode()).status_code == 200
