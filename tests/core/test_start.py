"""`manage.py serve`: its arguments, its roles, and the first start of a fresh clone."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest

from tests.support import environment
from tests.support.live import ROOT, Server

Serve = Callable[..., Server]


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`manage.py serve` that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "manage.py", "serve", *args],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"CommandError: Can't listen on 127\.0\.0\.1:{port}: .+\n", done.stderr)


@pytest.mark.parametrize(
    "args",
    [
        ("--port", "-1"),
        ("--port", "65536"),
        ("--port", "http"),
        ("--port", "²"),
        ("--workers", "0"),
        ("--workers", "257"),
        ("--workers", "two"),
        ("--threads", "0"),
        ("--role", "both"),
    ],
    ids=" ".join,
)
def test_a_bad_argument_is_explained(args: tuple[str, str]) -> None:
    done = run(*args)
    name, value = args
    assert done.returncode == 2
    assert f"argument {name}: " in done.stderr.splitlines()[-1]
    assert value in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("role", "statuses"), [("storefront", (200, 404, 200)), ("console", (404, 200, 200))]
)
def test_a_role_serves_its_own_side_only(
    serve: Serve, role: str, statuses: tuple[int, ...]
) -> None:
    server = serve("--role", role)
    replies = [
        server.add(product_id="sku-1"),
        server.request("GET", "/admin/login/"),
        server.request("GET", "/livez"),
    ]
    assert tuple(reply.status for reply in replies) == statuses


def test_prepare_makes_an_account_that_can_log_in_and_shows_it_once(
    serve: Serve, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    if environment.DATABASE == "postgresql":
        environment.postgres.execute("CREATE DATABASE prepared")
        url = environment.postgres.url("prepared")
    first = serve("--prepare", DATABASE_URL=url)
    found = re.search(r"user +(\S+)\n +password +(\S+)", first.printed())
    assert found
    first.stop()
    assert "not available" not in first.printed()
    second = serve("--prepare", DATABASE_URL=url)
    assert "password" not in second.printed()
    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    address = f"http://127.0.0.1:{second.port}/admin/login/?next=/admin/"
    assert "Log out" not in log_in(browser, address, found[1], found[2] + "x")
    assert "Log out" in log_in(browser, address, found[1], found[2])


def log_in(browser: OpenerDirector, address: str, user: str, password: str) -> str:
    """Fill in the form as a browser does; returns the page that comes then."""
    with browser.open(address) as page:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": user, "password": password}
    with browser.open(address, urlencode(form | {"next": "/admin/"}).encode()) as page:
        return str(page.read().decode())
