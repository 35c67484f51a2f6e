"""Fixtures and helpers for the tests of valkey://."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from prometheus_client.registry import REGISTRY

from tests.support.live import wait_for
from tests.support.valkey import Valkey
from tracker.adds import Add
from tracker.intake.contract import Intake, Unavailable
from tracker.intake.stream.entries import stream_names
from tracker.intake.stream.intake import StreamIntake
from tracker.intake.stream.reader import StreamReader

CART = UUID("6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10")

ONE = "cart-tracker:{0}"  # The only one with ?streams=1.

OpenStream = Callable[..., StreamIntake]
OpenReader = Callable[[StreamIntake], StreamReader]


def add(product_id: str = "sku", cart_id: UUID = CART, **members: Any) -> Add:
    return Add(cart_id, product_id, **members)


def is_refused(intake: Intake, **members: str) -> bool:
    try:
        intake.accept(add("refused", uuid4(), **members))
    except Unavailable:
        return True
    return False


def accept_many(stream: StreamIntake, count: int) -> set[str]:
    """Accept this many adds for as many carts. Return their product ids."""
    names = {f"sku-{number}" for number in range(count)}
    for name in names:
        stream.accept(add(name, uuid4()))
    return names


def read_all(reader: StreamReader, *, acknowledge: bool = True) -> list[str]:
    """Read everything. Return the product ids in their order."""
    found: list[str] = []
    while batch := reader.read(100):
        found += [record.add.product_id for record in batch.records]
        if acknowledge:
            reader.acknowledge(batch)
    return found


def waiting(server: Valkey, streams: int = 16) -> int:
    """Count the entries on the server."""
    return sum(server.execute("XLEN", name) for name in stream_names(streams))


def read_until(reader: StreamReader, count: int) -> list[str]:
    """Read and acknowledge until there were this many. Some must become old enough first."""
    found: list[str] = []

    def is_enough() -> bool:
        found.extend(read_all(reader))
        return len(found) >= count

    wait_for(is_enough)
    return found


def pending(valkey: Valkey) -> int:
    count: int = valkey.execute("XPENDING", ONE, "drain")["pending"]
    return count


class Counted:
    """The growth of a counter of the service since this was made."""

    def __init__(self, name: str) -> None:
        self._name = f"cart_tracker_{name}_total"
        self._before = self._value()

    def _value(self) -> int:
        return int(REGISTRY.get_sample_value(self._name) or 0)

    @property
    def more(self) -> int:
        return self._value() - self._before


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.remove()


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """Give a running, empty server in its initial state."""
    shared_valkey.execute("FLUSHALL")
    return shared_valkey


@pytest.fixture
def start_valkey() -> Iterator[Callable[..., Valkey]]:
    """Start a server for one test, with the arguments of Valkey."""
    servers: list[Valkey] = []

    def start(*config: str, **kwargs: Any) -> Valkey:
        servers.append(Valkey(*config, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.remove()


@pytest.fixture
def open_stream(valkey: Valkey) -> Iterator[OpenStream]:
    """Open an intake: `open_stream("streams=1")`, or with `url=` for another server."""
    opened: list[StreamIntake] = []

    def make(query: str = "", url: str = "") -> StreamIntake:
        opened.append(StreamIntake(urlsplit(url or valkey.url(query))))
        return opened[-1]

    yield make
    for stream in opened:
        stream.close()


@pytest.fixture
def open_reader() -> Iterator[OpenReader]:
    opened: list[StreamReader] = []

    def make(stream: StreamIntake) -> StreamReader:
        opened.append(stream.source())
        return opened[-1]

    yield make
    for reader in opened:
        reader.close()
