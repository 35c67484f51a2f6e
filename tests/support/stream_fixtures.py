"""What the tests of valkey:// are given. A test module asks for it with `pytest_plugins`."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.streams import OpenReader, OpenStream
from tests.support.valkey import Valkey
from tracker.intake.stream.intake import StreamIntake
from tracker.intake.stream.reader import StreamReader


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.remove()


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """A running server with nothing in it, in its first state."""
    shared_valkey.execute("FLUSHALL")
    return shared_valkey


@pytest.fixture
def start_valkey() -> Iterator[Callable[..., Valkey]]:
    """Starts a server of the test's own; takes what Valkey takes."""
    servers: list[Valkey] = []

    def start(*config: str, **kwargs: Any) -> Valkey:
        servers.append(Valkey(*config, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.remove()


@pytest.fixture
def open_stream(valkey: Valkey) -> Iterator[OpenStream]:
    """`open_stream("streams=1")`, or `open_stream(url=server.url())` for another server."""
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
