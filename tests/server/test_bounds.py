"""What clients can take from the server: connections, memory, files, and the loop's time."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop

from core.server.acceptor import MAX_AT_ONCE, Acceptor
from core.server.worker import RESERVED_FILES
from tests.server.cases import CASES
from tests.support.live import IN_TIME_S, Server, read_reply, wait_for
from tests.support.wire import (
    ITEM,
    LARGE_FILE,
    connect_many,
    everything,
    head,
    open_files,
    post,
    seconds_per_add,
    stuck,
)

FILES = 200


@pytest.fixture
def small(serve: Callable[..., Server]) -> Server:
    """A server that may open so few files that its connections are limited to 72."""
    return serve(files=FILES)


def test_at_the_limit_idle_connections_make_room(small: Server) -> None:
    with ExitStack() as stack:
        for _ in range(2 * FILES):
            connection = stack.enter_context(small.connect())
            connection.sendall(post())
            assert read_reply(connection).status == 200
        assert open_files(small) <= 2 * FILES  # Of the worker and the drain together.


def test_at_the_limit_busy_connections_are_kept_and_new_ones_are_closed(small: Server) -> None:
    """And when they have ended, all is as before."""
    waiting = post("Expect: 100-continue").removesuffix(ITEM)
    with ExitStack() as stack:
        kept = connect_many(stack, small, FILES - RESERVED_FILES, waiting)
        for connection in kept:  # So that each has begun a request before there is one more.
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        with small.connect() as one_more:
            assert one_more.recv(1) == b""
        for connection in kept:
            connection.sendall(ITEM)
            assert read_reply(connection).status == 200
    wait_for(lambda: small.add(product_id="sku-1").status == 200)


@pytest.mark.slow
def test_malformed_requests_leave_nothing_behind(live: Server) -> None:
    """100,000 of them: neither files nor memory, nor a log that grows with them."""
    bad = [case.raw for name, case in CASES.items() if case.ends and len(case.raw) < 5000]
    for raw in bad * 20:
        everything(live, raw, half_close=True)
    files, memory, printed = open_files(live), resident_kb(live), len(live.printed())
    for number in range(100_000):
        with live.connect() as connection:
            connection.sendall(bad[number % len(bad)])
    # SQLite keeps three files open for each thread.
    wait_for(lambda: open_files(live) <= files + 40)
    assert resident_kb(live) < memory + 20_000
    assert len(live.printed()) - printed < 50_000_000
    assert live.add(product_id="sku-1").status == 200


def resident_kb(live: Server) -> int:
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in live.children()]
    return sum(pages) * 4


def test_several_connections_are_taken_in_one_turn_but_not_all() -> None:
    """By itself, uvloop takes one: the last of 500 would wait for 500 turns."""
    made = []

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)
            transport.close()

    async def turns(listener: socket.socket) -> list[int]:
        acceptor = Acceptor(listener, Client)
        counts = []
        while len(made) < 2 * MAX_AT_ONCE + 1:
            await asyncio.sleep(0)
            counts.append(len(made))
        await acceptor.close()
        return [after - before for before, after in zip([0, *counts], counts, strict=False)]

    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for _ in range(2 * MAX_AT_ONCE + 1):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        taken = uvloop.run(turns(listener))
    assert max(taken) == MAX_AT_ONCE
    assert [count for count in taken if count] == [MAX_AT_ONCE, MAX_AT_ONCE, 1]


@pytest.mark.slow
def test_hundreds_of_slow_readers_hold_up_no_new_connection(live: Server) -> None:
    """Each pipelines three large files and reads nothing. bench figures: docs/performance.md."""
    with ExitStack() as stack:
        stuck(stack, live, 500, head(f"GET {LARGE_FILE}") * 3)
        assert max(seconds_per_add(live)) < IN_TIME_S
