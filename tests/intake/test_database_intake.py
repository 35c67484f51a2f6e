"""database:// under concurrency, and while the database is away (R22, R32)."""

import os
import random
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.support.live import IN_TIME_S, Server, wait_for
from tests.support.parts import durable_postgres, new_shop
from tests.support.stored import stored
from tracker.intake.database import intake as database

CLIENTS, CARTS, PRODUCTS, ADDS = 16, 10, 20, 40


@pytest.mark.parametrize("workers", ["1", "2"])
def test_clients_at_once_leave_what_was_accepted_last(
    serve: Callable[..., Server], new_database: Callable[[], str], workers: str
) -> None:
    """R20-R22: no 5xx, no deadlock; every item once, as the last accepted request for it says.

    Each worker writes its groups on its own, and the database orders them.
    """
    url = new_database()
    live = serve("--workers", workers, DATABASE_URL=url)
    began: dict[tuple[str, str], list[tuple[float, float, Any]]] = {}
    statuses: list[int] = []

    def client(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(ADDS):
            cart, product = (
                f"{chance.randrange(1, CARTS + 1):032x}",
                f"sku-{chance.randrange(PRODUCTS)}",
            )
            value = seed * ADDS + number
            start = time.monotonic()
            reply = live.add(cart_id=cart, product_id=product, name=str(value), price=value)
            statuses.append(reply.status)
            began.setdefault((cart, product), []).append((start, time.monotonic(), value))

    threads = [threading.Thread(target=client, args=[seed]) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * (CLIENTS * ADDS)
    items = stored(url)
    assert items.keys() == began.keys()
    for key, requests in began.items():
        name, price = items[key]
        assert name == str(price)
        # Requests that overlapped in time may come in either order; no other may win.
        last_begin = max(start for start, _, _ in requests)
        assert price in [value for _, end, value in requests if end >= last_begin]


@pytest.mark.sqlite
@pytest.mark.django_db
def test_the_wait_for_other_threads_is_part_of_the_wait_for_other_processes(settings: Any) -> None:
    """R32: nobody waits for STORE_TIMEOUT_S twice."""
    settings.STORE_TIMEOUT_S = 30
    waited, held_s = threading.Event(), 0.2

    def hold() -> None:
        with database._writing:
            waited.set()
            time.sleep(held_s)

    connection.ensure_connection()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        waited.wait()
        with database._one_at_a_time():
            (left_ms,) = connection.connection.execute("PRAGMA busy_timeout").fetchone()
    assert 0 <= left_ms < (30 - held_s / 2) * 1000


@pytest.mark.sqlite
def test_clients_of_a_locked_file_are_all_refused(live: Server) -> None:
    """R32"""
    url = live.database_url.removeprefix("sqlite:///")  # type: ignore[attr-defined]
    other = sqlite3.connect(url, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda _: live.add(product_id="locked"), range(4)))
    finally:
        other.close()
    assert [reply.status for reply in replies] == [503] * 4
    wait_for(lambda: live.add(product_id="free").status == 200)


@pytest.mark.postgresql
def test_a_stopped_database_is_answered_503_until_it_is_back(serve: Callable[..., Server]) -> None:
    """R7, R32: with Retry-After and the cart's cookie; then no restart is needed."""
    server, url = durable_postgres(), new_shop("stopped")
    live = serve(DATABASE_URL=url)
    assert live.add(product_id="before").status == 200
    server.stop()
    try:
        begin = time.monotonic()
        reply = live.add(product_id="meanwhile")
        assert time.monotonic() - begin < IN_TIME_S
    finally:
        server.start()
    assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json()["errors"][0]["code"] == "unavailable"
    assert reply.headers["Set-Cookie"].startswith("cart_id=")
    assert live.add(product_id="after").status == 200
    assert {product for _, product in stored(url)} == {"before", "after"}


@pytest.mark.postgresql
def test_clients_of_a_frozen_database_are_all_answered_503_in_time(
    serve: Callable[..., Server],
) -> None:
    """R32: a server that accepts, and then says nothing; also those that wait for a thread."""
    server = durable_postgres()
    live = serve("--threads", "2", DATABASE_URL=new_shop("still"))
    assert live.add(product_id="before").status == 200

    def seconds(_: int) -> float:
        begin = time.monotonic()
        assert live.add(product_id="meanwhile").status == 503
        return time.monotonic() - begin

    server.freeze()
    try:
        with ThreadPoolExecutor(20) as pool:
            assert max(pool.map(seconds, range(20))) < IN_TIME_S
    finally:
        server.thaw()
    wait_for(lambda: live.add(product_id="after").status == 200)


@pytest.mark.sqlite
def test_a_database_that_was_never_migrated_is_answered_503(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    """R32: nothing can be stored, so nothing is promised."""
    live = serve(DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert live.add(product_id="a").status == 503


@pytest.mark.postgresql
@pytest.mark.django_db
def test_a_database_that_vanishes_is_noticed_while_its_answer_is_waited_for() -> None:
    """Nothing is sent then that could stay unacknowledged: the kernel has to ask."""
    connection.ensure_connection()
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as link:
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle_s = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        more_s = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) * link.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_KEEPCNT
        )
    assert 0 < idle_s + more_s <= 20
