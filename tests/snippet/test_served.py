"""What is served as the snippet: made from the source as it is now, small, and under two names."""

import gzip
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256, sha384
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import pytest

from tests.support.live import ROOT, Server

PUBLIC = ROOT / "tracker" / "public"
LIMIT_BYTES = 3072
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "br": brotli.decompress,
    "gz": gzip.decompress,
}


def snippets(directory: Path) -> dict[str, bytes]:
    """The content by name, without the compressed ones."""
    return {path.name: path.read_bytes() for path in directory.glob("cart-tracker.*.js")}


@pytest.fixture
def made(tmp_path: Path) -> list[str]:
    """The lines that the script prints when it makes them all anew in `tmp_path`."""
    command = [sys.executable, "script/snippet", str(tmp_path)]
    return subprocess.check_output(command, cwd=ROOT, text=True).splitlines()


def test_it_is_made_from_the_source_as_it_is_now(made: list[str], tmp_path: Path) -> None:
    new = snippets(tmp_path)
    assert len(new) == 2
    assert new.items() <= snippets(PUBLIC).items(), "Run script/snippet."


def test_each_name_with_a_hash_is_that_of_its_content() -> None:
    """Also the old ones, which shops may go on loading."""
    for name, content in snippets(PUBLIC).items():
        assert name in (
            "cart-tracker.v1.js",
            f"cart-tracker.v1.{sha256(content).hexdigest()[:12]}.js",
        )


@pytest.mark.parametrize("ending", UNPACK)
def test_what_is_compressed_is_the_same(ending: str) -> None:
    for name, content in snippets(PUBLIC).items():
        assert UNPACK[ending]((PUBLIC / f"{name}.{ending}").read_bytes()) == content


def test_it_is_small() -> None:
    assert len((PUBLIC / "cart-tracker.v1.js.br").read_bytes()) <= LIMIT_BYTES


def test_it_tells_what_a_page_needs_to_check_it(made: list[str]) -> None:
    """Subresource Integrity: the name with the hash, and the value of `integrity`."""
    name, integrity = made[-1].split()
    digest = b64encode(sha384((PUBLIC / name).read_bytes()).digest()).decode()
    assert integrity == f"sha384-{digest}"


@pytest.mark.parametrize(("asked", "given"), [("gzip, deflate, br", "br"), ("gzip", "gzip")])
def test_it_travels_compressed(live: Server, asked: str, given: str) -> None:
    reply = live.request("GET", "/cart-tracker.v1.js", headers={"Accept-Encoding": asked})
    assert reply.headers["Content-Encoding"] == given
    assert UNPACK[given[:2]](reply.body) == snippets(PUBLIC)["cart-tracker.v1.js"]


def test_under_its_hash_it_may_be_kept_for_ever(live: Server) -> None:
    for name, content in snippets(PUBLIC).items():
        reply = live.request("GET", f"/{name}")
        assert reply.body == content
        assert ("immutable" in reply.headers["Cache-Control"]) == (name != "cart-tracker.v1.js")
