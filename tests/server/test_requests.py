"""HTTP/1.1 as no client should speak it, and as some do: one request, and what it is answered."""

from typing import Any

import pytest

from tests.intake.test_database_intake import stored
from tests.support.live import Reply, Server

HOST = "Host: localhost"
ITEM = b'{"product_id": "sku-1"}'
CHUNKED = "Transfer-Encoding: chunked"
ORIGIN = "https://shop.example"
CART = "6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10"
STYLES = "/static/admin/css/base.css"


def head(line: str, *headers: str) -> bytes:
    """The request line without its version, and headers, Host apart: as bytes."""
    return "\r\n".join([f"{line} HTTP/1.1", HOST, *headers, "", ""]).encode("latin-1")


def post(*headers: str, body: bytes = ITEM, path: str = "/items") -> bytes:
    return head(f"POST {path}", *headers, f"Content-Length: {len(body)}") + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def code(reply: Reply) -> Any:
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json()["status"] == reply.status
    return reply.json()["errors"][0]["code"]


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
    "headers",
    [
        ["Content-Length: x"],
        ["Content-Length: -1"],
        ["Content-Length: +23"],
        ["Content-Length: 0x17"],
        ["Content-Length: 23, 23"],
        ["Content-Length:"],
        ["Content-Length: 99999999999999999999999"],
        ["Content-Length: 5", "Content-Length: 23"],
        ["Content-Length: 23", CHUNKED],
        [CHUNKED, "Content-Length: 23"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked, gzip"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding : chunked"],
    ],
    ids=" & ".join,
)
def test_a_body_whose_end_is_in_doubt_is_refused(live: Server, headers: list[str]) -> None:
    """Two servers in a row must never disagree on where a request ends (request smuggling)."""
    body = chunk(ITEM) + b"0\r\n\r\n" if "coding: " in headers[0] else ITEM
    reply = live.exchange(head("POST /items", *headers) + body)
    assert (reply.status, code(reply)) == (400, "malformed_request")
    assert reply.headers["Connection"] == "close"


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\xff\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /livez\r\n\r\n",
        b"GET /livez HTTP/0.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"GET /livez HTTP/1.1\nHost: localhost\n\n",
        head("GET /livez", "X: a\r\n folded"),
        head("GET /livez", "X: a\x00b"),
        head("GET /livez", "X: a\rb"),
        head("GET /livez", "X : a"),
        head("GET /livez", "no colon"),
        head("POST /items", CHUNKED) + b"zz\r\n" + ITEM,
    ],
)
def test_what_is_not_http_is_refused(live: Server, request_: bytes) -> None:
    """R31: in the same form as all refusals; then the connection ends."""
    reply = live.exchange(request_)
    assert (reply.status, code(reply)) == (400, "malformed_request")
    assert reply.headers["Connection"] == "close"


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


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n" + post(),
        post(path="http://localhost/items"),
        post(path="/%69tem%73"),
        post(path="/items?a=%00&b=%ff"),
        post("Expect: something-else"),
        post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
        head("POST /items", "Connection: Upgrade", "Upgrade: h2c", CHUNKED)
        + chunk(ITEM)
        + b"0\r\n\r\n",
    ],
    ids=["empty lines", "absolute", "percent", "query", "expect", "h2c", "h2c chunked"],
)
def test_an_unusual_request_is_answered_as_usual(live: Server, request_: bytes) -> None:
    """R30"""
    assert live.exchange(request_).status == 200


def test_a_body_that_waits_for_100_continue_is_asked_for(live: Server) -> None:
    with live.connect() as connection:
        whole = post("Expect: 100-continue")
        connection.sendall(whole.removesuffix(ITEM))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(ITEM)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("OPTIONS *", 404),
        ("CONNECT localhost:80", 405),  # As of "/".
        ("GET /%zz%ff", 404),
        ("GET //x//", 404),
    ],
)
def test_an_odd_target_is_refused(live: Server, line: str, status: int) -> None:
    assert live.exchange(head(line)).status == status


def test_head_has_the_headers_of_get_and_no_body(live: Server) -> None:
    for path in ("/livez", STYLES):
        got, headed = live.request("GET", path), live.request("HEAD", path)
        assert (headed.status, headed.body) == (200, b"")
        assert headed.headers["Content-Length"] == str(len(got.body)) != "0"
