"""The export as a browser gets it: the button of a real page, the project's own server."""

import html
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.exports import python, read
from tests.support.live import Reply, Server, wait_for


class Shop(NamedTuple):
    server: Server
    url: str
    session: str

    def audited(self) -> str:
        return python(self.url, "print(audited())")

    def button(self, name: str) -> tuple[str, dict[str, str], bytes]:
        """Return what a browser sends for the button: address, headers and body."""
        cookie = f"sessionid={self.session}"
        page = self.server.request("GET", f"/admin/tracker/{name}/", headers={"Cookie": cookie})
        found = re.search(r'action="(/admin/export/[^"]*)"', page.body.decode())
        token = re.search(r"csrfmiddlewaretoken\" value=\"(\w+)\"", page.body.decode())
        assert found
        assert token
        csrf = re.search(r"csrftoken=(\w+)", page.headers["Set-Cookie"])
        assert csrf
        headers = {
            "Cookie": f"{cookie}; csrftoken={csrf[1]}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return html.unescape(found[1]), headers, f"csrfmiddlewaretoken={token[1]}".encode()


@pytest.fixture
def shop(serve: Callable[..., Server], new_database: Callable[[], str], tmp_path: Path) -> Shop:
    """Make 3,000 items with long names, and log a lead in."""
    url = new_database()
    server = serve(DATABASE_URL=url, VAR_DIR=str(tmp_path))
    code = "fill(3000, name='\\U0001f9e6' * 1000); print(account().cookies['sessionid'].value)"
    return Shop(server, url, python(url, code, VAR_DIR=str(tmp_path)))


def test_the_button_sends_the_file_in_parts_and_a_client_that_goes_away_ends_it(
    shop: Shop,
) -> None:
    """The second client reads nothing of 12 MB, so the server waits for it."""
    address, headers, body = shop.button("item")
    reply: Reply = shop.server.request("POST", address, body, headers)
    assert reply.status == 200
    assert reply.headers["Transfer-Encoding"] == "chunked"
    assert "attachment" in reply.headers["Content-Disposition"]
    assert len(read(reply.body)) == 3000
    lines = [f"POST {address} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with shop.server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    wait_for(lambda: "broken off" in shop.audited())
