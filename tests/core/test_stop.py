"""The end of `manage.py serve`: what was accepted is answered, and balancers can see it coming."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.support.live import Server, read_reply, wait_for
from tests.support.wire import post

Serve = Callable[..., Server]


def shop_until_refused(port: int, problems: list[str], done: list[int]) -> None:
    """Connect, add, read the answer, again and again. Note every connection without an answer."""
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            return  # Refused, or no answer to the first packet: nothing was promised.
        with connection:
            try:
                connection.sendall(post())
                done.append(read_reply(connection).status)
            except (OSError, HTTPException) as error:
                problems.append(repr(error))


@pytest.mark.parametrize("workers", [1, 2])
def test_no_accepted_connection_is_reset_at_the_stop(
    serve: Serve, tmp_path: Path, workers: int
) -> None:
    """The kernel accepts connections before a worker does, also while the workers stop."""
    server = serve(
        "--workers", str(workers), "--no-drain", INTAKE_URL=f"journal://{tmp_path}/journal"
    )
    problems: list[str] = []
    done: list[int] = []
    threads = [
        threading.Thread(target=shop_until_refused, args=[server.port, problems, done])
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(done) > 200)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert (problems, set(done)) == ([], {200})
    assert "did not stop" not in server.printed()


def test_who_has_connected_may_send_its_request_a_moment_later(serve: Serve) -> None:
    server = serve()
    with server.connect() as connection:
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # The stop is under way; the request comes in the middle of it.
        connection.sendall(post())
        reply = read_reply(connection)
    assert (reply.status, reply.headers["Connection"]) == (200, "close")
    assert server.stop() == 0


def test_with_a_delay_balancers_see_the_stop_before_it_comes(serve: Serve) -> None:
    """Meanwhile all is served, also new connections. A second signal ends the delay."""
    server = serve("--stop-delay", "600", "--workers", "2")
    assert server.request("GET", "/readyz").status == 200
    server.process.send_signal(signal.SIGTERM)
    wait_for(lambda: server.request("GET", "/readyz").status == 503)
    assert json.loads(server.request("GET", "/readyz").body)["parts"]["service"] == "stopping"
    assert server.add(product_id="sku-1").status == 200
    assert server.request("GET", "/livez").status == 200
    assert server.stop() == 0


def test_a_delay_ends_by_itself(serve: Serve) -> None:
    server = serve("--stop-delay", "1")
    assert server.stop() == 0


def test_ctrl_c_in_a_terminal_is_left_to_the_supervisor(serve: Serve) -> None:
    """It reaches all processes of the terminal. Here the workers get it, and go on."""
    server = serve("--workers", "2")
    children = server.children()
    for pid in children:
        os.kill(pid, signal.SIGINT)
    assert server.add(product_id="sku-1").status == 200
    assert server.children() == children
    assert server.stop(signal.SIGINT) == 0
