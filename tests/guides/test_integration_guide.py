"""docs/integration.md: its examples run as they are written, and its tables are right."""

import json
import re
import shutil
import sqlite3
import subprocess
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from hashlib import sha384
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory

from core.server.http.head import MAX_HEAD_BYTES
from tests.support.guides import example, section
from tests.support.live import Server
from tracker.adds import MAX_NAME_CHARS, MAX_PRICE_CENTS, MAX_PRODUCT_ID_CHARS
from tracker.endpoint.body import MAX_BODY_BYTES

CART = "6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10"
# A reader's machine has the language that its shop is written in; this one may have none of them.
PHP = shutil.which("php")


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
def failing(serve: Callable[..., Server], tmp_path: Path) -> Server:
    """It has nowhere to store anything, and answers every add 503."""
    return serve(DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")


def items_of(cart_id: str, live: Server) -> list[tuple[Any, ...]]:
    database = live.database_url.removeprefix("sqlite:///")  # type: ignore[attr-defined]
    query = "SELECT product_id, name, price FROM tracker_item WHERE cart_id = ?"
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query, [UUID(cart_id).hex]).fetchall()


class Shop:
    """The Python example in a shop of its own, with what it has put into the queue."""

    def __init__(self, tracker: str) -> None:
        self.queue: list[tuple[Any, ...]] = []
        self._code: dict[str, Any] = {"enqueue": self._enqueue}
        exec(example("python", "def put_into_cart", tracker), self._code)

    def _enqueue(self, *call: Any, delay_s: int) -> None:
        self.queue.append((*call[1:], delay_s))

    def put(self, sku: str, cookie: str = "") -> HttpResponse:
        headers = {"Cookie": f"shop_cart={cookie}"} if cookie else {}
        request = RequestFactory().post("/", {"sku": sku}, headers=headers)
        response: HttpResponse = self._code["put_into_cart"](request)
        assert response.status_code == 302
        return response


def bash(script: str) -> str:
    """What it prints. Fails with its complaint if it ends with another code than 0."""
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_the_curl_example_adds_to_the_shops_cart(live: Server) -> None:
    assert json.loads(bash(example("sh", "cart_id=", address(live)))) == {"cart_id": CART}
    assert ("sku-1", "Blue socks", 1299) in items_of(CART, live)


def test_the_checks_before_going_live_tell_what_they_should(live: Server) -> None:
    printed = bash(example("sh", "OPTIONS", address(live)))
    assert re.findall(r"^HTTP/1.1 (\d+)", printed, re.MULTILINE) == ["400", "204", "403"]
    allowed = re.findall(r"^(?i:Access-Control-Allow-Origin): (\S+)", printed, re.MULTILINE)
    assert allowed == ["https://shop.example"] * 2


def test_the_python_example_starts_a_cart_and_goes_on_with_it(live: Server) -> None:
    shop = Shop(address(live))
    cookie = shop.put("sku-1").cookies["shop_cart"]
    assert (cookie["max-age"], cookie["secure"], cookie["samesite"]) == (31_536_000, True, "Lax")
    assert shop.put("sku-2", cookie.value).cookies["shop_cart"].value == cookie.value
    expected = [("sku-1", "Blue socks", 1299), ("sku-2", "Blue socks", 1299)]
    assert sorted(items_of(cookie.value, live)) == expected
    assert shop.queue == []


def test_the_python_example_sends_again_what_may_be_lost(failing: Server) -> None:
    shop = Shop(address(failing))
    shop.put("sku-1", CART)
    assert failing.stop() == 0
    shop.put("sku-2", CART)
    assert [(item["product_id"], *rest) for item, *rest in shop.queue] == [
        ("sku-1", CART, 2),
        ("sku-2", CART, 2),
    ]


def test_the_python_example_sells_on_after_a_refusal(
    live: Server, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(address(live))
    assert shop.put(" ", CART).cookies["shop_cart"].value == CART
    assert shop.queue == []
    assert '"code":"blank"' in caplog.text


if PHP:

    def test_the_php_example_adds_to_the_shops_cart(live: Server, tmp_path: Path) -> None:
        """Only where there is a PHP, which nothing else here needs."""
        cart_id = str(uuid4())
        (tmp_path / "page.php").write_text(example("php", "setcookie", address(live)))
        visit = f"$_COOKIE['shop_cart'] = '{cart_id}'; $_POST['sku'] = 'sku-1'; require 'page.php';"
        subprocess.run([str(PHP), "-r", visit], cwd=tmp_path, check=True)
        assert items_of(cart_id, live) == [("sku-1", "Blue socks", 1299)]


def test_the_tag_with_a_hash_names_a_file_that_is_there() -> None:
    """If not, the tag was for a build that is gone: script/snippet prints what to write instead."""
    tag = example("html", "integrity", "")
    name, integrity = re.findall(r'src="/([^"]+)"\s+integrity="([^"]+)"', tag)[0]
    digest = sha384((settings.PUBLIC_ROOT / name).read_bytes()).digest()
    assert integrity == f"sha384-{b64encode(digest).decode()}"


@pytest.mark.parametrize(
    "limit",
    [MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_PRODUCT_ID_CHARS, MAX_NAME_CHARS, MAX_PRICE_CENTS],
)
def test_the_limits_are_those_of_the_code(limit: int) -> None:
    numbers = re.findall(r"\d[\d,]*", section("Limits"))
    assert limit in {int(number.replace(",", "")) for number in numbers}
