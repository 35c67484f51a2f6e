"""Clients that are slow, stuck or gone must not cost the others anything."""

import resource
import socket
import statistics
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from threading import Event

import pytest

from core.server.http.protocol import BODY_TIMEOUT_S, HEAD_TIMEOUT_S
from tests.support.live import IN_TIME_S, Server, read_reply, wait_for
from tests.support.wire import (
    ITEM,
    LARGE_FILE,
    ORIGIN,
    code,
    connect_many,
    head,
    open_files,
    post,
    seconds_per_add,
)

MANY = 500


@pytest.fixture(autouse=True)
def _files_for_many_connections() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN, as a crashed client's kernel does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_thousand_slow_clients_hold_up_no_other(live: Server) -> None:
    """R32: those who dribble their headers, and those who never send the rest of a body."""
    before = seconds_per_add(live)
    done = Event()
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        dribbling = connect_many(stack, live, MANY, b"POST /items HTTP/1.1\r\n")
        connect_many(stack, live, MANY, post().removesuffix(ITEM) + ITEM[:5])
        pool.submit(dribble, dribbling, done, pause_s=0.001)
        try:
            during = seconds_per_add(live)
        finally:
            done.set()
    medians = f"{statistics.median(before):.4f} s before, {statistics.median(during):.4f} s during"
    assert max(during) < IN_TIME_S, medians


def dribble(connections: list[socket.socket], done: Event, *, pause_s: float) -> None:
    for connection in cycle(connections):
        if done.wait(pause_s):
            return
        connection.sendall(b"X: y\r\n")


@pytest.mark.slow
def test_what_does_not_arrive_in_time_is_refused(live: Server) -> None:
    """R31: the whole head, then the whole body has to be here, not just some byte of it."""
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        (in_head,) = connect_many(stack, live, 1, head("POST /items", f"Origin: {ORIGIN}")[:-2])
        (in_body,) = connect_many(stack, live, 1, head("POST /items", "Content-Length: 900"))
        (chunked,) = connect_many(stack, live, 1, head("POST /items", "Transfer-Encoding: chunked"))
        (after_another,) = connect_many(
            stack, live, 1, head("GET /admin/login/") + b"POST /items HTTP/1.1\r\n"
        )
        assert read_reply(after_another).status == 200
        done = Event()
        for connection in (in_head, in_body):
            pool.submit(dribble, [connection], done, pause_s=0.1)
        try:
            for connection in (in_head, in_body, chunked, after_another):
                connection.settimeout(max(HEAD_TIMEOUT_S, BODY_TIMEOUT_S) + 30)
                reply = read_reply(connection)
                part = "body" if connection in (in_body, chunked) else "head"
                assert (reply.status, code(reply)) == (408, f"{part}_timeout")
                if connection is in_head:
                    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN  # R33
        finally:
            done.set()


def test_clients_that_never_read_their_answers_hold_up_no_other(live: Server) -> None:
    """There are more of them than threads, and each asks for more than the kernel buffers."""
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", live.port))
            connection.sendall(head(f"GET {LARGE_FILE}") * 100)
        assert max(seconds_per_add(live)) < IN_TIME_S


def flood(connection: socket.socket) -> None:
    """20 MB of requests. Raises TimeoutError as soon as none is taken for a while."""
    for _ in range(5_000):
        connection.sendall(head("GET /admin/login/") * 100)


def test_a_client_that_never_reads_is_not_asked_for_more(live: Server) -> None:
    """What it sends then waits in the kernel: neither requests nor answers pile up in memory."""
    with live.connect(timeout_s=1) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        with pytest.raises(TimeoutError):
            flood(connection)
        assert live.add(product_id="sku-1").status == 200


@pytest.mark.parametrize(
    "raw", [b"", b"POST /items HT", post()[:-5], post(), head(f"GET {LARGE_FILE}") * 5]
)
def test_a_client_that_is_gone_leaves_nothing_behind(live: Server, raw: bytes) -> None:
    """Reset at any point, even before the connection is accepted: no file, no trace in the log."""
    seconds_per_add(live, 1)
    before, printed = open_files(live), live.printed()
    for _ in range(300):
        connection = live.connect()
        connection.sendall(raw)
        reset(connection)
    wait_for(lambda: open_files(live) <= before + 8)  # Threads may open a database connection each.
    assert live.printed() == printed
    assert live.add(product_id="sku-1").status == 200
