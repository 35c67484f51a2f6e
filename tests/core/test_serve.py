"""`manage.py serve` as processes: signals, deaths, and the end."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import Server, read_reply, wait_for
from tests.support.wire import post

Serve = Callable[..., Server]


@contextlib.contextmanager
def writes_wait(url: str) -> Iterator[None]:
    """Meanwhile, adds wait for a lock in the database."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    "signum", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_it_stops_at_once_though_clients_are_connected(serve: Serve, signum: int) -> None:
    server = serve("--workers", "2")
    with server.connect(), server.connect() as half, server.connect() as kept:
        half.sendall(post()[:-5])
        kept.sendall(post())
        assert read_reply(kept).status == 200
        children = server.children()
        assert (len(children), server.stop(signum)) == (2, 0)
    assert "did not stop" not in server.printed()
    assert not any(alive(pid) for pid in children)


def test_what_was_begun_is_finished_before_the_end(serve: Serve, new_database: Any) -> None:
    """One that waits in the database, and one whose body is still coming. An idle one is closed."""
    url = new_database()
    server = serve(DATABASE_URL=url)
    with server.connect() as waiting, server.connect() as coming, server.connect() as idle:
        for connection in (waiting, coming, idle):
            connection.sendall(post())
            assert read_reply(connection).status == 200
        coming.sendall(post()[:-5])
        with writes_wait(url):
            waiting.sendall(post())
            server.process.send_signal(signal.SIGTERM)
            assert idle.recv(1) == b""
        coming.sendall(post()[-5:])
        replies = [read_reply(connection) for connection in (waiting, coming)]
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[1].headers["Connection"] == "close"
    assert server.stop() == 0


def test_a_killed_worker_is_replaced(serve: Serve) -> None:
    """Meanwhile the other one serves."""
    server = serve("--workers", "2")
    killed, other = server.children()
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: len(set(server.children()) - {killed}) == 2)
    assert other in server.children()
    assert {server.add(product_id="sku-1").status for _ in range(10)} == {200}


def test_workers_do_not_outlive_their_supervisor(serve: Serve) -> None:
    server = serve("--workers", "2")
    children = server.children()
    server.process.kill()
    try:
        wait_for(lambda: not any(alive(pid) for pid in children))
    finally:
        for pid in filter(alive, children):
            os.kill(pid, signal.SIGKILL)
