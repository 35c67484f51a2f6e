"""The same application behind another WSGI server: nothing depends on our own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.live import ROOT, Server, free_port, wait_for
from tests.support.wire import CHUNKED, ITEM, chunk, code, head, post


class Gunicorn(Server):
    def __init__(self, url: str) -> None:
        self.port = free_port()
        address = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "core.wsgi:application", "-b", address],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            stderr=subprocess.DEVNULL,
            text=True,
        )
        wait_for(self._answers, within_s=30)

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/livez").status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def gunicorn(new_database: Callable[[], str]) -> Iterator[Server]:
    server = Gunicorn(new_database())
    yield server
    server.process.terminate()
    assert server.process.wait(15) == 0


@pytest.mark.parametrize(
    "request_",
    [post(), head("POST /items", CHUNKED) + chunk(ITEM) + b"0\r\n\r\n"],
    ids=["length", "chunked"],
)
def test_an_item_is_taken(gunicorn: Server, request_: bytes) -> None:
    """R30"""
    assert gunicorn.exchange(request_).status == 200


@pytest.mark.parametrize(
    "request_",
    [
        head("POST /items", "Content-Length: 16385"),
        head("POST /items", CHUNKED) + chunk(b" " * 16_385) + b"0\r\n\r\n",
    ],
    ids=["announced", "chunked"],
)
def test_a_body_that_is_too_large_is_refused(gunicorn: Server, request_: bytes) -> None:
    """R16"""
    reply = gunicorn.exchange(request_)
    assert (reply.status, code(reply)) == (413, "body_too_large")


def test_a_body_that_is_cut_off_is_refused(gunicorn: Server) -> None:
    """R15"""
    reply = gunicorn.exchange(post()[:-5], half_close=True)
    assert (reply.status, code(reply)) == (400, "body_incomplete")
