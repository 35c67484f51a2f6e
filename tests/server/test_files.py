"""Files are in memory once, and those who read them slowly hold up no other."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from whitenoise.responders import SlicedFile  # type: ignore[import-untyped]

from core.public import SWAGGER_UI
from core.server.dispatcher import MAX_WHOLE_BYTES
from core.server.files import MAX_KEPT_BYTES, SharedFiles
from tests.server.test_bounds import resident_kb
from tests.support.live import IN_TIME_S, Server
from tests.support.wire import head, stuck

LARGEST = "/docs/swagger-ui/swagger-ui-bundle.js"


def static_files() -> Iterator[Path]:
    yield from SWAGGER_UI.iterdir()
    for finder in finders.get_finders():
        for name, storage in finder.list([]):
            yield Path(storage.path(name))


def test_each_static_file_is_sent_whole_and_all_are_kept() -> None:
    """A larger one would be sent from a thread, and as many slow readers hold all threads."""
    sizes = [file.stat().st_size for file in static_files()]
    assert max(sizes) <= MAX_WHOLE_BYTES
    assert sum(sizes) <= MAX_KEPT_BYTES


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    files, path = SharedFiles(), tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as one, path.open("rb") as two:
        assert files.read(one) is files.read(two)
    path.write_bytes(b"new")
    os.utime(path, ns=(0, 0))  # The clock of a file system may be coarse.
    with path.open("rb") as three:
        assert files.read(three) == b"new"


def test_a_part_of_a_file_is_read_alone(tmp_path: Path) -> None:
    files, path = SharedFiles(), tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as whole, SlicedFile(path.open("rb"), 2, 4) as part:
        assert files.read(part) == b"234"
        assert files.read(whole) == b"0123456789"


def test_at_the_limit_the_file_that_was_asked_for_longest_ago_goes(tmp_path: Path) -> None:
    files, contents = SharedFiles(max_bytes=20), dict[str, bytes]()

    def read(name: str) -> bytes:
        with (tmp_path / name).open("rb") as file:
            return files.read(file)

    for name in ("one", "two", "three"):
        (tmp_path / name).write_bytes(bytes(10))
    contents = {name: read(name) for name in ("one", "two")}
    assert read("one") is contents["one"]
    read("three")
    assert read("one") is contents["one"]
    assert read("two") is not contents["two"]


@pytest.mark.parametrize("path", ["/readyz", "/admin/login/", "/docs/"])
def test_readers_of_the_largest_file_hold_no_thread(live: Server, path: str) -> None:
    with ExitStack() as stack:
        stuck(stack, live, 20, head(f"GET {LARGEST}") * 5)
        assert live.request("GET", LARGEST).status == 200  # Behind those of the others.
        connection = stack.enter_context(live.connect(timeout_s=IN_TIME_S))
        connection.sendall(head(f"GET {path}"))
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_many_readers_of_a_file_share_its_memory(live: Server) -> None:
    """1.6 MB for each would be 160 MB."""
    assert live.request("GET", LARGEST).status == 200
    before = resident_kb(live)
    with ExitStack() as stack:
        stuck(stack, live, 100, head(f"GET {LARGEST}"))
        assert live.request("GET", LARGEST).status == 200
        assert resident_kb(live) < before + 50_000
