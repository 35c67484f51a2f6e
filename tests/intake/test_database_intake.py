"""database:// under concurrency, and while the database is away (R22, R32)."""

import os
import random
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.db import connection

from tests.conftest import migrate
from tests.support.live import Server, wait_for
from tests.support.postgres import Postgres

CLIENTS, CARTS, PRODUCTS, ADDS = 16, 10, 20, 40


def stored(url: str) -> dict[tuple[str, str], tuple[Any, Any]]:
    """{(cart, product): (name, price)} as the database has it; fails on a repeated pair."""
    rows = ask(
        url,
        "SELECT replace(CAST(cart_id AS text), '-', ''), product_id, name, price FROM tracker_item",
    )
    items = {(cart, product): (name, price) for cart, product, name, price in rows}
    assert len(items) == len(rows)
    return items


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Of another database than the tests' own."""
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"))
    else:
        connection = psycopg2.connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())
    finally:
        connection.close()


def test_clients_at_once_leave_what_was_accepted_last(live: Server) -> None:
    """R20-R22: no 5xx, no deadlock; every item once, as the last accepted request for it says."""
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
    items = stored(live.database_url)  # type: ignore[attr-defined]
    assert items.keys() == began.keys()
    for key, requests in began.items():
        name, price = items[key]
        assert name == str(price)
        # Requests that overlapped in time may come in either order; no other may win.
        last_begin = max(start for start, _, _ in requests)
        assert price in [value for _, end, value in requests if end >= last_begin]


@pytest.mark.once
def test_clients_of_a_locked_file_are_all_answered_in_time(live: Server) -> None:
    """R32: to wait for one's turn, and then for the other process, is not to wait twice."""
    url = live.database_url.removeprefix("sqlite:///")  # type: ignore[attr-defined]
    other = sqlite3.connect(url, isolation_level=None)
    took: list[tuple[int, bool]] = []

    def client() -> None:
        begin = time.monotonic()
        status = live.add(product_id="locked").status
        took.append((status, time.monotonic() - begin < 3))

    threads = [threading.Timer(0.4 * number, client) for number in range(4)]  # None at once.
    other.execute("BEGIN IMMEDIATE")
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        other.close()
    assert took == [(503, True)] * 4
    wait_for(lambda: live.add(product_id="free").status == 200)


@pytest.mark.postgresql
def test_a_stopped_database_is_answered_503_until_it_is_back(serve: Callable[..., Server]) -> None:
    """R7, R32: within 3 s, with Retry-After and the cart's cookie; then no restart is needed."""
    server = Postgres(durable=True)
    server.execute("CREATE DATABASE shop")
    url = server.url("shop")
    migrate(url)
    live = serve(DATABASE_URL=url)
    assert live.add(product_id="before").status == 200
    server.stop()
    begin = time.monotonic()
    reply = live.add(product_id="meanwhile")
    assert time.monotonic() - begin < 3
    assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json()["errors"][0]["code"] == "unavailable"
    assert reply.headers["Set-Cookie"].startswith("cart_id=")
    server.start()
    assert live.add(product_id="after").status == 200
    assert {product for _, product in stored(url)} == {"before", "after"}
    server.remove()


@pytest.mark.postgresql
def test_a_frozen_database_is_answered_503_in_time(serve: Callable[..., Server]) -> None:
    """R32: a server that accepts, and then says nothing."""
    server = Postgres()
    server.execute("CREATE DATABASE shop")
    migrate(server.url("shop"))
    live = serve(DATABASE_URL=server.url("shop"))
    assert live.add(product_id="before").status == 200
    server.freeze()
    try:
        begin = time.monotonic()
        reply = live.add(product_id="meanwhile")
        assert (reply.status, time.monotonic() - begin < 3) == (503, True)
    finally:
        server.thaw()
    assert wait_for(lambda: live.add(product_id="after").status == 200)
    server.remove()


@pytest.mark.postgresql
def test_many_clients_of_a_frozen_database_are_all_answered_in_time(
    serve: Callable[..., Server],
) -> None:
    """R32: also those that wait for a thread."""
    server = Postgres()
    migrate(server.url("postgres"))
    live = serve("--threads", "2", DATABASE_URL=server.url("postgres"))
    server.freeze()
    took: list[float] = []

    def client() -> None:
        begin = time.monotonic()
        assert live.add(product_id="a").status == 503
        took.append(time.monotonic() - begin)

    threads = [threading.Thread(target=client) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.thaw()
    server.remove()
    assert len(took) == 20
    assert max(took) < 3


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
