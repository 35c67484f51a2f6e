"""One connection, many requests: whose turn it is, and when it ends (RFC 9112, section 9)."""

import socket
from asyncio import BaseTransport
from http.client import HTTPConnection

import pytest

from core.server.connection import base_environ
from tests.support.live import Reply, Server, read_reply
from tests.support.wire import CHUNKED, CLOSE, ITEM, STYLES, answers, code, everything, head, post

LIVEZ, LOGIN = head("GET /livez"), head("GET /admin/login/")


def ids(replies: list[Reply]) -> list[str]:
    return [reply.json()["cart_id"] for reply in replies]


def test_pipelined_requests_are_answered_in_order(live: Server) -> None:
    carts = [f"6f0c2d38-6e2b-4ad5-9a3c-{number:012x}" for number in range(5)]
    posts = [post(f"Cookie: cart_id={cart}") for cart in carts[:4]]
    last = post(f"Cookie: cart_id={carts[4]}", CLOSE)
    assert ids(answers(live, b"".join([*posts, last]))) == carts


def test_a_fast_request_does_not_overtake_a_slow_one(live: Server) -> None:
    """The console runs on a thread, /livez on the loop."""
    replies = answers(live, LOGIN + post() + LIVEZ + LOGIN + LIVEZ + head("GET /livez", CLOSE))
    kinds = [reply.headers["Content-Type"].partition(";")[0] for reply in replies]
    html, text = "text/html", "text/plain"
    assert kinds == [html, "application/json", text, html, text, text]


@pytest.mark.parametrize("first", [LIVEZ, LOGIN], ids=["loop", "thread"])
def test_hundreds_of_pipelined_requests_are_all_answered(live: Server, first: bytes) -> None:
    """None is answered inside the answer to another: that ends at the recursion limit."""
    replies = answers(live, first + LIVEZ * 600 + head("GET /livez", CLOSE))
    assert [reply.status for reply in replies] == [200] * 602


def test_a_client_that_stops_sending_gets_all_its_answers(live: Server) -> None:
    """None but the last may say that the connection ends: a client reads none after that.

    The last says it if the end was seen in time; the requests may be answered before it comes.
    """
    replies = answers(live, LOGIN + LOGIN + LIVEZ, half_close=True)
    assert [reply.status for reply in replies] == [200] * 3
    assert [reply.headers.get("Connection") for reply in replies[:2]] == [None, None]


@pytest.mark.parametrize(
    ("bad", "status"),
    [(head("POST /items", "Content-Length: 20000"), 413), (post()[:-1], 400)],
)
def test_a_bad_request_waits_for_its_turn(live: Server, bad: bytes, status: int) -> None:
    """R31: it is answered, after the good one, which is not harmed."""
    good, refused = answers(live, post() + bad, half_close=True)
    assert (good.status, refused.status) == (200, status)
    assert good.headers.get("Connection") is None
    assert code(refused)


def test_garbage_after_a_request_does_not_harm_it(live: Server) -> None:
    replies = answers(live, post() + b"\x00\xff\r\n\r\n")
    assert replies[0].status == 200


def test_nothing_is_served_after_the_end_that_was_asked_for(live: Server) -> None:
    (reply,) = answers(live, post(CLOSE) + post())
    assert (reply.status, reply.headers["Connection"]) == (200, "close")


def test_a_body_is_not_asked_for_before_its_turn(live: Server) -> None:
    """100 Continue would land in the middle of another answer."""
    received = everything(live, LOGIN + post("Expect: 100-continue", CLOSE))
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b"HTTP/1.1 100" not in received


def test_a_body_is_asked_for_in_its_turn(live: Server) -> None:
    """RFC 9110, section 10.1.1: also behind another request, and in a list."""
    with live.connect() as connection:
        connection.sendall(LOGIN + post("Expect: a, 100-Continue", CLOSE).removesuffix(ITEM))
        assert read_reply(connection).status == 200
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(ITEM)
        assert read_reply(connection).status == 200


@pytest.mark.parametrize(("header", "answered"), [("X: y", 1), ("Connection: keep-alive", 2)])
def test_http_1_0_keeps_the_connection_only_if_asked(
    live: Server, header: str, answered: int
) -> None:
    """It needs no Host, and knows no 100 Continue."""
    lines = ["POST /items HTTP/1.0", header, "Expect: 100-continue", "Content-Length: 23", "", ""]
    old = "\r\n".join(lines).encode() + ITEM
    received = everything(live, old + old, half_close=True)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == received.count(b"HTTP/1.1 ") == answered
    assert (b"\r\nConnection: keep-alive\r\n" in received) == (answered > 1)


def test_one_connection_serves_a_hundred_requests(live: Server) -> None:
    client = HTTPConnection("127.0.0.1", live.port, timeout=30)
    client.connect()
    used = client.sock
    for _ in range(100):
        client.request("POST", "/items", ITEM)
        assert client.getresponse().read()
        assert client.sock is used
    client.close()


def test_a_body_may_come_in_any_pieces(live: Server) -> None:
    raw = post() + head("POST /items", CHUNKED, CLOSE) + b"17\r\n" + ITEM + b"\r\n0\r\n\r\n"
    with live.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(raw)):
            connection.sendall(raw[at : at + 1])
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_a_static_file_comes_whole_and_once(live: Server) -> None:
    """The second time, a browser asks whether it has changed."""
    client = HTTPConnection("127.0.0.1", live.port, timeout=30)
    client.request("GET", STYLES)
    first = client.getresponse()
    assert first.read().rstrip().endswith(b"}")
    for name, value in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")):
        client.request("GET", STYLES, headers={name: first.headers[value]})
        again = client.getresponse()
        assert (again.status, again.read()) == (304, b"")
        assert "Content-Length" not in again.headers  # RFC 9110, section 8.6.
    client.close()


@pytest.mark.parametrize("peer", ["192.0.2.1", "::ffff:192.0.2.1"])
def test_an_ipv4_client_has_an_ipv4_address_on_every_socket(peer: str) -> None:
    """A socket for IPv4 and IPv6 names it with a prefix; lists of addresses do not."""
    transport = BaseTransport({"peername": (peer, 5), "sockname": ("::", 80)})
    assert base_environ(transport)["REMOTE_ADDR"] == "192.0.2.1"
