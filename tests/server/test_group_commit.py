"""Adds of one moment are made durable together, and answered as if each had come alone."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.test_operations import number
from tests.support.live import IN_TIME_S, Reply, Server, read_reply, wait_for
from tests.support.valkey import Valkey
from tests.support.wire import CLOSE, answers, head, post

Serve = Callable[..., Server]
pytest_plugins = ["tests.support.streams"]


def at_once(live: Server, clients: int, times: int = 1) -> list[Reply]:
    """What so many clients are answered that add items at the same time."""
    replies: list[Reply] = []
    ready = threading.Barrier(clients)

    def shop(client: int) -> None:
        with live.connect() as connection:
            ready.wait()
            for _ in range(times):
                connection.sendall(post(f"Cookie: cart_id=6f0c2d38-6e2b-4ad5-9a3c-{client:012x}"))
                replies.append(read_reply(connection))

    threads = [threading.Thread(target=shop, args=[client + 1]) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def test_clients_at_once_share_one_wait_for_the_disk(serve: Serve, tmp_path: Path) -> None:
    live = serve("--no-drain", INTAKE_URL=f"journal://{tmp_path}/journal?sync=always")
    assert {reply.status for reply in at_once(live, 32, 20)} == {200}
    wait_for(lambda: figure(live, "accepted_total") == 640)
    assert figure(live, "accept_seconds_count") == figure(live, "sync_records_sum") == 640
    assert figure(live, "sync_records_count") < 640 / 2


def figure(live: Server, name: str) -> float:
    return number(live.request("GET", "/metrics").body.decode(), name)


@pytest.mark.parametrize("sync", ["interval", "always"])
def test_a_group_that_fails_is_refused_one_by_one(serve: Serve, tmp_path: Path, sync: str) -> None:
    """R7, R32: with what a 503 has, for each of them; and the next group is accepted."""
    journal = tmp_path / "journal"
    live = serve("--no-drain", INTAKE_URL=f"journal://{journal}?sync={sync}")
    journal.mkdir(mode=0o500, exist_ok=True)
    (journal / "versions").mkdir()  # Where a file should be: no writer can begin.
    replies = at_once(live, 10)
    assert {reply.status for reply in replies} == {503}
    for reply in replies:
        assert reply.headers["Retry-After"] == "2"
        assert reply.headers["Set-Cookie"].startswith("cart_id=6f0c2d38-6e2b-4ad5-9a3c-")
        assert reply.json()["errors"][0]["code"] == "unavailable"
    (journal / "versions").rmdir()
    assert {reply.status for reply in at_once(live, 10)} == {200}


def test_clients_of_a_frozen_stream_are_all_answered_in_time(
    serve: Serve, start_valkey: Callable[..., Valkey]
) -> None:
    """R32: those that come while a group waits in vain are not kept by it."""
    valkey = start_valkey()
    live = serve("--no-drain", INTAKE_URL=valkey.url())
    assert {reply.status for reply in at_once(live, 20)} == {200}
    valkey.freeze()
    begin = time.monotonic()
    assert {reply.status for reply in at_once(live, 20, 2)} == {503}
    assert time.monotonic() - begin < 2 * IN_TIME_S
    valkey.thaw()
    wait_for(lambda: {reply.status for reply in at_once(live, 3)} == {200})


def test_what_is_refused_and_what_is_stored_are_answered_in_order(
    serve: Serve, tmp_path: Path
) -> None:
    """On one connection, without waiting: the answer that waits for the disk is not overtaken."""
    live = serve("--no-drain", INTAKE_URL=f"journal://{tmp_path}/journal?sync=always")
    replies = answers(live, post() + head("GET /items") + post(CLOSE))
    assert [reply.status for reply in replies] == [200, 405, 200]
