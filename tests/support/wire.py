"""HTTP/1.1 as bytes: make requests, send them, and read all that is answered."""

import io
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.live import Reply, Server, read_reply

HOST = "Host: localhost"
ITEM = b'{"product_id": "sku-1"}'
CHUNKED = "Transfer-Encoding: chunked"
ORIGIN = "https://shop.example"
CART = "6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10"
STYLES = "/static/admin/css/base.css"
LARGE_FILE = "/static/admin/js/vendor/xregexp/xregexp.js"
CLOSE = "Connection: close"


def head(line: str, *headers: str) -> bytes:
    """The request line without its version, and headers, Host apart: as bytes."""
    return "\r\n".join([f"{line} HTTP/1.1", HOST, *headers, "", ""]).encode("latin-1")


def post(*headers: str, body: bytes = ITEM, path: str = "/items") -> bytes:
    return head(f"POST {path}", *headers, f"Content-Length: {len(body)}") + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def code(reply: Reply) -> Any:
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json()["status"] == reply.status
    return reply.json()["errors"][0]["code"]


class Received(io.BytesIO):
    """All that came on a connection, as http.client reads it: one answer after the other."""

    def makefile(self, mode: str) -> io.BytesIO:
        return self

    def close(self) -> None:
        """http.client closes after each answer."""


def everything(live: Server, raw: bytes, *, half_close: bool = False) -> bytes:
    """What comes back for these bytes, until the server ends the connection."""
    with live.connect() as connection:
        connection.sendall(raw)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def answers(live: Server, raw: bytes, *, half_close: bool = False) -> list[Reply]:
    received = Received(everything(live, raw, half_close=half_close))
    replies = []
    while received.tell() < len(received.getvalue()):
        replies.append(read_reply(received))  # type: ignore[arg-type]  # As much of a socket as it uses.
    return replies


def connect_many(stack: ExitStack, live: Server, count: int, raw: bytes) -> list[socket.socket]:
    connections = [stack.enter_context(live.connect()) for _ in range(count)]
    for connection in connections:
        connection.sendall(raw)
    return connections


def stuck(stack: ExitStack, live: Server, count: int, raw: bytes) -> None:
    """Open connections that ask and read nothing."""
    for _ in range(count):
        connection = stack.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", live.port))
        connection.sendall(raw)


def seconds_per_add(live: Server, count: int = 50) -> list[float]:
    """How long each of some normal requests took. Fails if one is not answered 200."""
    seconds = []
    for number in range(count):
        begin = time.monotonic()
        assert live.add(product_id=f"sku-{number}").status == 200
        seconds.append(time.monotonic() - begin)
    return seconds


def open_files(live: Server) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in live.children())
