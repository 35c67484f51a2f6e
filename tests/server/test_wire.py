"""The cases of cases.py over sockets: whole, in pieces, and with another request behind them."""

import random
import socket
from itertools import pairwise

import pytest

from tests.server.cases import CASES, Case
from tests.support.live import Reply, Server, read_reply
from tests.support.wire import Received, code, post

CART = "7d1c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a11"
NEXT = post(f"Cookie: cart_id={CART}", "Connection: close")
MOST_BY_BYTE = 2_000


def pieces(raw: bytes, how: str) -> list[bytes]:
    if how == "whole":
        return [raw]
    if how == "bytes" and len(raw) <= MOST_BY_BYTE:
        return [bytes([byte]) for byte in raw]
    chosen = random.Random(raw)
    places = sorted(chosen.sample(range(1, len(raw)), min(7, len(raw) - 1)))
    return [raw[begin:end] for begin, end in pairwise([0, *places, len(raw)])]


def exchange(live: Server, sent: list[bytes]) -> list[Reply]:
    """Send these pieces, and return all that is answered until the server ends the connection."""
    with live.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in sent:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It may have ended already.
        received = Received(b"".join(iter(lambda: connection.recv(65_536), b"")))
    replies = []
    while received.tell() < len(received.getvalue()):
        replies.append(read_reply(received))  # type: ignore[arg-type]  # As much of a socket as it uses.
    return replies


@pytest.mark.parametrize("how", ["whole", "pieces", "bytes"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bytes_get_the_answers_of_the_table(live: Server, case: Case, how: str) -> None:
    """And what is behind them is answered rightly, or not at all."""
    replies = exchange(live, pieces(case.raw + NEXT, how))
    statuses = [reply.status for reply in replies]
    assert statuses == [*case.statuses, *([] if case.ends else [200])]
    if not case.ends:
        assert replies.pop().json() == {"cart_id": CART}
    assert all(CART not in reply.body.decode("latin-1") for reply in replies)
    assert all("Connection" not in reply.headers for reply in replies[:-1])
    if case.ends:
        assert replies[-1].headers["Connection"] == "close"
    if replies[-1].status in (400, 413, 431):  # R31
        assert code(replies[-1])
