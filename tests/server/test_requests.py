"""HTTP/1.1 as no client should speak it, and as some do: one request, and what it is answered."""

from typing import Any

import pytest

from tests.support.live import Server, wait_for
from tests.support.stored import stored
from tests.support.wire import (
    CART,
    CHUNKED,
    HOST,
    ITEM,
    ORIGIN,
    STYLES,
    chunk,
    code,
    head,
    post,
)


@pytest.mark.parametrize(
    "request_",
    [
        head("POST /items", f"Cookie: cart_id={CART}", "Content-Length: 900") + ITEM,
        head("POST /items", f"Cookie: cart_id={CART}", CHUNKED) + chunk(ITEM),
        head("POST /items", f"Cookie: cart_id={CART}", CHUNKED) + b"40\r\n" + ITEM,
    ],
    ids=["length", "chunked", "in a chunk"],
)
def test_a_body_that_is_cut_off_is_refused_and_not_stored(live: Server, request_: bytes) -> None:
    """R15, R23"""
    before = stored(live.database_url)  # type: ignore[attr-defined]
    reply = live.exchange(request_, half_close=True)
    assert (reply.status, code(reply)) == (400, "body_incomplete")
    assert stored(live.database_url) == before  # type: ignore[attr-defined]


def test_a_body_longer_than_announced_stores_nothing(live: Server) -> None:
    """R23: neither its beginning nor its rest is taken for something else."""
    before = stored(live.database_url)  # type: ignore[attr-defined]
    reply = live.exchange(head("POST /items", "Content-Length: 5") + ITEM + post())
    assert (reply.status, code(reply)) == (400, "malformed_json")
    assert stored(live.database_url) == before  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "request_",
    [
        head("POST /items", f"Origin: {ORIGIN}", "Content-Length: 16385"),
        head("POST /items", f"Origin: {ORIGIN}", CHUNKED) + b"5000\r\n" + b" " * 16_385,
        head("POST /items", f"Origin: {ORIGIN}", CHUNKED) + chunk(b" " * 1_000) * 17,
    ],
    ids=["announced", "one chunk", "many chunks"],
)
def test_a_body_that_is_too_large_is_refused_before_it_is_there(
    live: Server, request_: bytes
) -> None:
    """R16, R33"""
    reply = live.exchange(request_)
    assert (reply.status, code(reply)) == (413, "body_too_large")
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_a_body_of_the_greatest_size_is_taken(live: Server) -> None:
    """R16"""
    body = ITEM.ljust(16_384)
    assert live.exchange(post(body=body)).status == 200
    chunks = b"".join(chunk(body[at : at + 1000]) for at in range(0, 16_384, 1000))
    assert live.exchange(head("POST /items", CHUNKED) + chunks + b"0\r\n\r\n").status == 200


def test_a_trailer_does_not_pose_as_a_header(live: Server) -> None:
    """RFC 9110, section 6.5.1: a proxy has checked the headers, not what follows the body."""
    trailers = f"0\r\nCookie: cart_id={CART}\r\nOrigin: https://evil.example\r\n\r\n".encode()
    reply = live.exchange(head("POST /items", CHUNKED) + chunk(ITEM) + trailers)
    assert reply.status == 200
    assert reply.json()["cart_id"] != CART


@pytest.mark.parametrize(
    "request_",
    [
        head("GET /livez", "X: " + "a" * 1_000_000),
        head("GET /livez", *["X: " + "a" * 90] * 10_000),
        b"GET /livez HTTP/1.1\r\nX: " + b"a" * 1_000_000,
        b"GET /livez HTTP/1.1\r\nX: " + b"a" * 40_000,
        b"GET /livez HTTP/1.1\r\n" + b"a" * 1_000_000,
        b"GET /" + b"a" * 1_000_000,
        head("POST /items", CHUNKED) + b"0\r\nX: " + b"a" * 1_000_000,
    ],
    ids=[
        "value",
        "many",
        "unfinished value",
        "unfinished at once",
        "unfinished name",
        "target",
        "trailer",
    ],
)
def test_a_head_that_is_too_large_is_refused_before_its_end(live: Server, request_: bytes) -> None:
    """What is not looked at until its end comes would be kept in memory until then."""
    reply = live.exchange(request_)
    assert (reply.status, code(reply)) == (431, "head_too_large")
    assert live.add(product_id="sku-1").status == 200


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        (["evil.example"], "host_not_allowed"),
        (["localhost", "localhost"], "malformed_request"),
        (["localhost", ""], "malformed_request"),
    ],
)
def test_a_host_that_is_not_ours_is_refused(live: Server, hosts: list[str], says: str) -> None:
    """R31"""
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    reply = live.exchange(post().replace(f"{HOST}\r\n".encode(), lines.encode()))
    assert (reply.status, code(reply)) == (400, says)


def test_a_header_with_an_underscore_is_ignored(serve: Any) -> None:
    """R8: else a client could say X_Forwarded_Proto where a proxy guards X-Forwarded-Proto."""
    behind_proxy = serve(TRUSTED_PROXIES="1", SECRET_KEY="x" * 60)
    cookies = [
        behind_proxy.exchange(post(f"{name}: https")).headers["Set-Cookie"]
        for name in ("X-Forwarded-Proto", "X_Forwarded_Proto")
    ]
    assert ["Secure" in cookie for cookie in cookies] == [True, False]


@pytest.mark.parametrize(
    "headers",
    [
        [f"Cookie: caf\xe9=\xff\x80; cart_id={CART}"],
        ["Cookie: a=1", f"Cookie: cart_id={CART}", "Cookie: b=2"],
        [f"cOOKIE: cart_id={CART}"],
    ],
    ids=["not ASCII", "several lines", "another case"],
)
def test_the_cart_is_found_in_the_cookie_header(live: Server, headers: list[str]) -> None:
    """R1"""
    assert live.exchange(post(*headers)).json() == {"cart_id": CART}


def test_a_body_that_waits_for_100_continue_is_asked_for(live: Server) -> None:
    with live.connect() as connection:
        whole = post("Expect: 100-continue")
        connection.sendall(whole.removesuffix(ITEM))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(ITEM)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_head_has_the_headers_of_get_and_no_body(live: Server) -> None:
    for path in ("/livez", STYLES):
        got, headed = live.request("GET", path), live.request("HEAD", path)
        assert (headed.status, headed.body) == (200, b"")
        assert headed.headers["Content-Length"] == str(len(got.body)) != "0"


REFUSED_HEADS = {
    "too large": head("POST /items", f"Origin: {ORIGIN}", "X: " + "a" * 40_000),
    "a bad line": head("POST /items", "no colon", f"Origin: {ORIGIN}"),
    "no Host": f"POST /items HTTP/1.1\r\nOrigin: {ORIGIN}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("raw", REFUSED_HEADS.values(), ids=REFUSED_HEADS)
def test_a_shop_can_read_why_its_head_was_refused(live: Server, raw: bytes) -> None:
    """R31, R33: also before the head is complete. The request is counted like every refusal."""
    counted = refusals_of(live)
    reply = live.exchange(raw.replace(b"\r\n", b"\r\nX-Request-ID: theirs\r\n", 1))
    assert reply.status in (400, 431)
    assert code(reply)
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert reply.headers["Access-Control-Expose-Headers"] == "Retry-After, X-Request-ID"
    assert reply.headers["X-Request-ID"] == "theirs"
    wait_for(lambda: refusals_of(live) == counted + 1)


def refusals_of(live: Server) -> float:
    text = live.request("GET", "/metrics").body.decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("cart_tracker_refused_total{")
    )


@pytest.mark.parametrize(
    "raw",
    [raw.replace(ORIGIN.encode(), b"https://evil.example") for raw in REFUSED_HEADS.values()],
    ids=REFUSED_HEADS,
)
def test_a_page_of_another_origin_can_not_read_it(live: Server, raw: bytes) -> None:
    """R34: the status says what is wrong with the head (RFC 9112, section 3.2)."""
    reply = live.exchange(raw)
    assert code(reply)
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert reply.headers["X-Request-ID"]
