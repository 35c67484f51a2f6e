"""valkey:// : its URL, what an accepted add becomes, and when none is accepted."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.support.live import ROOT, wait_for
from tests.support.streams import (
    CART,
    OpenReader,
    OpenStream,
    accept_many,
    add,
    is_refused,
    read_all,
    waiting,
)
from tests.support.valkey import TlsFront, Valkey
from tracker.intake.contract import Unavailable
from tracker.intake.stream.entries import place_of

pytest_plugins = ["tests.support.streams"]


def test_one_cart_is_in_one_stream_and_many_are_in_all(
    valkey: Valkey, open_stream: OpenStream
) -> None:
    """R22: the entries of one stream are in one order."""
    stream = open_stream("streams=4")
    for number in range(20):
        stream.accept(add(str(number)))
    place = place_of(CART, 4)
    assert place == 2  # As every release before: a cart that moved would lose its order.
    assert valkey.execute("XLEN", f"cart-tracker:{{{place}}}") == waiting(valkey, 4) == 20
    accept_many(stream, 100)
    assert all(valkey.execute("XLEN", name) for name in stream.streams)


def test_a_password_and_a_database_are_used(
    start_valkey: Callable[..., Valkey], open_stream: OpenStream
) -> None:
    server = start_valkey(password="p@ss")
    stream = open_stream(url=f"redis://:p%40ss@127.0.0.1:{server.port}/2?streams=1")
    stream.accept(add())
    with server.client() as client:
        client.select(2)
        assert client.xlen("cart-tracker:{0}") == 1
    with pytest.raises(Unavailable):
        open_stream(url=f"valkey://:wrong@127.0.0.1:{server.port}").accept(add())


@pytest.mark.parametrize("scheme", ["valkeys", "rediss"])
def test_tls_is_spoken_with_whom_the_file_trusts(
    scheme: str, valkey: Valkey, open_stream: OpenStream
) -> None:
    front = TlsFront(valkey.port)
    url = f"{scheme}://127.0.0.1:{front.port}"
    try:
        stream = open_stream(url=f"{url}?ca_file={front.certificate}")
        stream.accept(add())
        stream.accept(add())
        with pytest.raises(Unavailable):
            open_stream(url=url).accept(add())
        stream.close()
    finally:
        front.close()
    assert waiting(valkey) == 2


def test_a_server_that_may_evict_is_refused(
    start_valkey: Callable[..., Valkey], open_stream: OpenStream
) -> None:
    server = start_valkey("maxmemory-policy allkeys-lru")
    stream = open_stream(url=server.url())
    with pytest.raises(ImproperlyConfigured, match="noeviction"):
        stream.check()
    with pytest.raises(Unavailable):
        stream.accept(add())
    server.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
    stream.accept(add())


def test_a_server_that_does_not_say_whether_it_evicts_is_warned_about(
    start_valkey: Callable[..., Valkey],
    open_stream: OpenStream,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start_valkey("user shop on >pw ~cart-tracker:* +@all -@dangerous")
    open_stream(url=f"valkey://shop:pw@127.0.0.1:{server.port}").accept(add())
    assert "can't see whether the server evicts" in caplog.text


def test_waitaof_counts_the_disk(
    valkey: Valkey, start_valkey: Callable[..., Valkey], open_stream: OpenStream
) -> None:
    server = start_valkey("appendonly yes", "appendfsync always")
    open_stream(url=server.url("ack=waitaof")).accept(add())
    with pytest.raises(Unavailable):
        open_stream("ack=waitaof").accept(add())  # It keeps nothing on the disk.


def test_wait_counts_the_replicas(
    valkey: Valkey, start_valkey: Callable[..., Valkey], open_stream: OpenStream
) -> None:
    with pytest.raises(Unavailable):
        open_stream("ack=wait:1").accept(add())
    replica = start_valkey(f"replicaof 127.0.0.1 {valkey.port}")
    wait_for(lambda: replica.execute("INFO", "replication")["master_link_status"] == "up")
    open_stream("ack=wait:1").accept(add())


@pytest.mark.parametrize(
    ("query", "says"),
    [("max_records=10", "has reached 10 records"), ("max_age_s=1", "is older than 1 s")],
)
def test_a_backlog_at_its_limit_is_refused_until_there_is_room(
    query: str,
    says: str,
    open_stream: OpenStream,
    open_reader: OpenReader,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """R32"""
    stream = open_stream(query)
    accept_many(open_stream(), 10)
    wait_for(lambda: is_refused(stream))
    assert says in caplog.text
    read_all(open_reader(stream))
    wait_for(lambda: not is_refused(stream))


def test_threads_share_no_connection_and_leave_them_to_the_next(
    valkey: Valkey, open_stream: OpenStream
) -> None:
    stream = open_stream()
    stream.check()
    before = valkey.execute("INFO", "stats")["total_connections_received"]
    threads = [threading.Thread(target=accept_many, args=(stream, 100)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waiting(valkey) == 800
    opened = valkey.execute("INFO", "stats")["total_connections_received"] - before
    assert opened <= 8 + 1 + 16  # The threads'; this test's own.


def test_a_forked_child_talks_on_connections_of_its_own(valkey: Valkey) -> None:
    """As under gunicorn with a preloaded application."""
    code = (
        "import os, django; django.setup()\n"
        "from uuid import UUID; from tracker.adds import Add\n"
        "from tracker.intake.selection import current_intake\n"
        "stream = current_intake(); stream.accept(Add(UUID(int=1), 'parent'))\n"
        "child = os.fork()\n"
        "for number in range(200): stream.accept(Add(UUID(int=1), str(number)))\n"
        "os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0)\n"
    )
    env = {"DJANGO_SETTINGS_MODULE": "core.settings", "INTAKE_URL": valkey.url()}
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=True)
    assert waiting(valkey) == 401


def test_no_cart_id_comes_into_the_log(
    valkey: Valkey, open_stream: OpenStream, caplog: pytest.LogCaptureFixture
) -> None:
    stream = open_stream("streams=1")
    stream.check()
    valkey.execute("SET", "cart-tracker:{0}", "no stream")
    stream._counted_at = time.monotonic()
    cart_id = uuid4()
    with pytest.raises(Unavailable):
        stream.accept(add("socks", cart_id))
    assert "WRONGTYPE" in caplog.text
    assert str(cart_id) not in caplog.text
    assert "socks" not in caplog.text
