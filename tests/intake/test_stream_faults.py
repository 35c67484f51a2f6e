"""valkey:// while its server is down, frozen, full, read-only, replaced or killed (R32)."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from uuid import uuid4

import pytest

from tests.support.live import IN_TIME_S, free_port, wait_for
from tests.support.streams import (
    OpenReader,
    OpenStream,
    accept_many,
    add,
    is_refused,
    read_all,
    waiting,
)
from tests.support.valkey import Valkey
from tracker.intake.contract import Unavailable
from tracker.intake.stream.intake import StreamIntake

pytest_plugins = ["tests.support.streams"]

Start = Callable[..., Valkey]


def has_more(names: set[str], than: int) -> bool:
    return len(names) > than


def refused_within_s(stream: StreamIntake) -> float:
    begin = time.monotonic()
    assert is_refused(stream)
    return time.monotonic() - begin


def test_a_server_that_is_down_is_waited_for(
    start_valkey: Start, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    """R32; then no restart is needed, and no add is refused."""
    server = start_valkey("appendonly yes", "appendfsync always")
    stream = open_stream(url=server.url())
    reader = open_reader(stream)
    stream.accept(add("before"))
    batch = reader.read(10)
    assert batch
    server.kill()
    assert refused_within_s(stream) < IN_TIME_S
    with pytest.raises(Unavailable):
        reader.acknowledge(batch)
    with pytest.raises(Unavailable):
        reader.read(10)
    with pytest.raises(Unavailable):
        reader.backlog()
    server.start()
    stream.accept(add("after"))
    assert read_all(reader) == ["after"]
    assert waiting(server) == 0  # What could not be acknowledged then is acknowledged now.


def test_a_server_that_is_down_at_first_is_waited_for(
    start_valkey: Start, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    server = start_valkey()
    server.stop()
    stream = open_stream(url=server.url())
    with pytest.raises(Unavailable):
        stream.check()
    assert refused_within_s(stream) < IN_TIME_S
    server.start()
    stream.accept(add("after"))
    assert read_all(open_reader(stream)) == ["after"]


def test_a_frozen_server_is_waited_for(
    start_valkey: Start, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    """R32: a server that accepts, and then says nothing. Those behind are refused at once."""
    server = start_valkey()
    stream, new = open_stream(url=server.url()), open_stream(url=server.url())
    reader = open_reader(stream)
    stream.accept(add("before"))
    assert read_all(reader) == ["before"]
    server.freeze()
    assert 1 < (waited_s := refused_within_s(stream)) < IN_TIME_S
    assert refused_within_s(stream) < waited_s / 2
    assert refused_within_s(new) < IN_TIME_S
    with pytest.raises(Unavailable):
        reader.read(10)
    server.thaw()
    wait_for(lambda: not is_refused(stream))
    wait_for(lambda: not is_refused(new))
    assert "refused" in read_all(reader)


def test_a_full_server_refuses_until_the_drain_has_made_room(
    start_valkey: Start, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    """R32; also for a drain that starts only then."""
    server = start_valkey("maxmemory 6mb")
    stream = open_stream(url=server.url())
    refused = (is_refused(stream, name="x" * 1000) for _ in range(20_000))
    assert any(refused)
    held = waiting(server)
    assert held > 1000
    assert len(read_all(open_reader(stream))) == held
    assert not is_refused(stream)


def test_a_read_only_server_is_refused_until_it_is_writable(
    start_valkey: Start, open_stream: OpenStream
) -> None:
    """R32"""
    server = start_valkey()
    stream = open_stream(url=server.url())
    stream.accept(add())
    server.execute("REPLICAOF", "127.0.0.1", free_port())
    assert refused_within_s(stream) < IN_TIME_S
    server.execute("REPLICAOF", "NO", "ONE")
    assert not is_refused(stream)


def test_what_was_accepted_survives_kills_in_the_middle_of_it(
    start_valkey: Start, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    """R32: with appendfsync always, an add that was accepted before SIGKILL is there after it."""
    server = start_valkey("appendonly yes", "appendfsync always")
    stream = open_stream(url=server.url())
    accepted: set[str] = set()
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            name = str(uuid4())
            with suppress(Unavailable):
                stream.accept(add(name, uuid4()))
                accepted.add(name)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for enough in (300, 600, 900):
        wait_for(partial(has_more, accepted, enough))
        server.kill()
        server.start()
    wait_for(lambda: not is_refused(stream))
    stop.set()
    for thread in threads:
        thread.join()
    assert accepted <= set(read_all(open_reader(stream)))


def test_a_fail_over_by_sentinel_is_followed(
    start_valkey: Start, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    """With ack=wait:1, what was accepted before is there after; and versions rise (R22)."""
    primary = start_valkey()
    replica = start_valkey(f"replicaof 127.0.0.1 {primary.port}")
    sentinel = start_valkey(
        f"sentinel monitor shop 127.0.0.1 {primary.port} 1",
        "sentinel down-after-milliseconds shop 300",
        sentinel=True,
    )
    wait_for(lambda: replica.execute("INFO", "replication")["master_link_status"] == "up")
    wait_for(lambda: sentinel.execute("SENTINEL", "REPLICAS", "shop"))
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}"  # The first is away.
    stream = open_stream(url=f"valkey://{hosts}?sentinel=shop&ack=wait:1&streams=1")
    reader = open_reader(stream)
    assert reader.read(10) is None
    stream.accept(add("before"))
    primary.kill()
    assert refused_within_s(stream) < IN_TIME_S
    single = open_stream(url=f"valkey://{hosts}?sentinel=shop&streams=1")  # No replica is left.
    wait_for(lambda: not is_refused(single))
    batch = wait_for(lambda: reader.read(10))
    assert batch.records[0].add.product_id == "before"
    versions = [record.version for record in batch.records]
    assert versions == sorted(set(versions))


def test_a_cluster_is_used_and_followed_when_a_stream_moves(
    start_valkey: Start, open_stream: OpenStream, open_reader: OpenReader
) -> None:
    nodes = [
        start_valkey(
            "cluster-enabled yes", f"cluster-port {free_port()}", f"cluster-config-file n{n}"
        )
        for n in range(2)
    ]
    half = 8192
    nodes[0].execute("CLUSTER", "ADDSLOTSRANGE", 0, half - 1)
    nodes[1].execute("CLUSTER", "ADDSLOTSRANGE", half, 16383)
    join(*nodes)
    stream = open_stream(url=nodes[0].url("cluster=1&streams=4&ack=none"))
    names = accept_many(stream, 100)
    reader = open_reader(stream)
    assert reader.backlog().records == 100
    assert sorted(read_all(reader)) == sorted(names)
    assert reader.backlog().records == 0
    move_all_streams(stream, *nodes)
    time.sleep(0.3)  # Now it looks first whether there is room, and hears of it by that.
    names = accept_many(stream, 100)
    with pytest.raises(Unavailable):  # It, too, has to hear of it first.
        reader.backlog()
    assert reader.backlog().records == 100
    assert sorted(read_all(reader)) == sorted(names)


def join(first: Valkey, second: Valkey) -> None:
    port = next(line for line in second.config if line.startswith("cluster-port")).split()[1]
    first.execute("CLUSTER", "MEET", "127.0.0.1", second.port, port)
    for node in (first, second):
        wait_for(partial(agrees_with_the_cluster, node))


def agrees_with_the_cluster(node: Valkey) -> bool:
    return b"cluster_state:ok" in node.execute("CLUSTER", "INFO")


def move_all_streams(stream: StreamIntake, source: Valkey, target: Valkey) -> None:
    """Give every stream's slot to the second node; what was in it is deleted.

    That node gets the higher epoch first, as it would by a migration of the slot: with the lower
    one, a message that the old owner had sent before it heard of it would take the slot back.
    """
    target.execute("CLUSTER", "BUMPEPOCH")
    target_id = target.execute("CLUSTER", "MYID")
    for name in stream.streams:
        slot = source.execute("CLUSTER", "KEYSLOT", name)
        with suppress(Exception):
            source.execute("DEL", name)
        for node in (target, source):
            node.execute("CLUSTER", "SETSLOT", slot, "NODE", target_id)
