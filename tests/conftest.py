"""Fixtures of many tests."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.http import HttpResponse
from django.test import Client

from tests.support import environment
from tests.support.live import ROOT, Server
from tests.support.postgres import Postgres

# Plugins with helpers. Test modules import the helpers before pytest would rewrite the asserts.
for _name in ("browser", "refusals", "sites", "streams"):
    pytest.register_assert_rewrite(f"tests.support.{_name}")

_numbers = count()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """Hash in one round: a million for each account took half of the suite's time.

    The hash names its rounds, so that a real server can check it.
    """
    PBKDF2PasswordHasher.iterations = 1


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep SQLite in a file, as in production: in memory it locks in another way."""
    if environment.DATABASE == "sqlite":
        name = tmp_path_factory.mktemp("database") / "test.sqlite3"
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(name)


@pytest.fixture
def add(client: Client, db: None) -> Callable[..., HttpResponse]:
    """Send POST /items through the whole middleware: `add(product_id="sku-1", price=5)`.

    `body` replaces the members by anything; other keywords that start with HTTP_ are headers.
    """

    def post(body: Any = None, content_type: str = "application/json", **given: Any) -> Any:
        headers = {name: given.pop(name) for name in list(given) if name.startswith("HTTP_")}
        data = body if isinstance(body, bytes) else json.dumps(given if body is None else body)
        return client.post("/items", data, content_type=content_type, **headers)

    return post


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give the server that the suite runs on, or a new one if it runs on SQLite."""
    if environment.DATABASE == "postgresql":
        yield environment.postgres
    else:
        server = Postgres()
        yield server
        server.remove()


@pytest.fixture(scope="session")
def empty_database(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[], str]:
    """Make the URL of a new, empty database of this run's kind."""
    return lambda: _create(tmp_path_factory, request)


@pytest.fixture(scope="session")
def new_database(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[], str]:
    """Make the URL of a new, migrated database: a copy of one that is migrated once."""
    template = _create(tmp_path_factory, request)
    migrate(template)
    return lambda: _create(tmp_path_factory, request, template)


def _create(
    paths: pytest.TempPathFactory, request: pytest.FixtureRequest, template: str = ""
) -> str:
    if environment.DATABASE == "postgresql":
        name = f"live_{next(_numbers)}"
        server: Postgres = request.getfixturevalue("postgres")
        original = template.rpartition("/")[2] or "template1"
        server.execute(f"CREATE DATABASE {name} TEMPLATE {original}")
        return server.url(name)
    file = paths.mktemp("live") / "live.sqlite3"
    if template:
        shutil.copyfile(template.removeprefix("sqlite:///"), file)
    return f"sqlite:///{file}"


def migrate(url: str, *args: str, root: Path = ROOT) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0", *args],
        cwd=root,
        env={**os.environ, "DATABASE_URL": url},
        check=True,
    )


@pytest.fixture
def serve(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[Callable[..., Server]]:
    """Start a server: `serve("--workers", "2", DATABASE_URL=url)`. All are stopped at the end."""
    servers: list[Server] = []

    def start(
        *args: str,
        root: Path = ROOT,
        files: int | None = None,
        python: str = sys.executable,
        **env: str,
    ) -> Server:
        # Two that run at once need two directories.
        runs = any(server.process.poll() is None for server in servers)
        own = tmp_path / f"var-{len(servers)}" if runs else tmp_path
        env.setdefault("VAR_DIR", str(own))
        env.setdefault("INTAKE_URL", "database://")
        if "DATABASE_URL" not in env:
            env["DATABASE_URL"] = new_database()
        servers.append(Server(*args, env=env, root=root, files=files, python=python))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def live(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]
) -> Iterator[Server]:
    """Give one server for all tests that leave it as it was. `live.database_url` is its URL."""
    url = new_database()
    var_dir = str(tmp_path_factory.mktemp("var"))
    server = Server(env={"DATABASE_URL": url, "INTAKE_URL": "database://", "VAR_DIR": var_dir})
    server.database_url = url  # type: ignore[attr-defined]
    yield server
    assert server.stop() == 0, server.printed()
