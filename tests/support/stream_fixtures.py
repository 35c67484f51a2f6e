"""Fixtures for the tests of valkey://. A test module asks for them with `pytest_plugins`."""

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
