"""Settings from the environment: typed, strict, clear (core/environment.py, core/settings.py)."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core import environment as env
from core.environment import SettingError
from tests.support.live import ROOT

PRODUCTION = {
    "SECRET_KEY": "an-example-of-fifty-characters-that-nobody-should-ever-use-0123456789",
    "ALLOWED_HOSTS": "tracker.example",
    "DATABASE_URL": "postgres://tracker:secret@127.0.0.1:1/tracker",
    "STOREFRONT_ORIGINS": "https://shop.example",
    "TRUSTED_PROXIES": "1",
}


def manage(*args: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py with nothing in the environment but what is given."""
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": os.environ["VAR_DIR"], **given}
    command = [sys.executable, "manage.py", *args]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DEBUG", "maybe", "use 1 or 0"),
        ("ROLE", "shop", "all, storefront, console"),
        ("TRUSTED_PROXIES", "-1", "whole number"),
        ("TRUSTED_PROXIES", "one", "whole number"),
        ("CART_STALE_HOURS", "1", "from 2 to"),  # No cart is active and stale.
        ("STOREFRONT_ORIGINS", "*", "any page"),
        ("STOREFRONT_ORIGINS", "https://shop.example/", "no path"),
        ("DATABASE_URL", "mysql://localhost/x", "not supported"),
        ("DATABASE_URL", "postgres://localhost", "names no database"),
        ("INTAKE_URL", "kafka://localhost", "is unknown"),
        ("INTAKE_URL", "database://elsewhere", "nothing after it"),
        ("VAR_DIR", "/dev/null/var", "can't"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line(name: str, value: str, says: str) -> None:
    result = manage("serve", "--port", "0", **{name: value})
    assert result.returncode != 0
    assert name in result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_a_switch_is_on(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", value)
    assert env.flag("X") is True


@pytest.mark.parametrize("value", ["0", "false", "No", "off", "", "  "])
def test_a_switch_is_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", value)
    assert env.flag("X") is False


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example",
        "http://localhost:3000",
        "https://shop.example:8443",
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
        "https://xn--bcher-kva.example",
    ],
)
def test_an_origin_is_taken_as_a_browser_sends_it(
    origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R34"""
    monkeypatch.setenv("X", f" {origin} , ")
    assert env.origins("X") == {origin}


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "shop.example",
        "https://*.shop.example",
        "https://Shop.example",
        "https://shop.example/",
        "https://shop.example:443",
        "http://shop.example:80",
        "https://user@shop.example",
        "ftp://shop.example",
        "https://",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(
    origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R34: it would silently match nothing, or anything."""
    monkeypatch.setenv("X", origin)
    with pytest.raises(SettingError, match="X"):
        env.origins("X")


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    assert env.secret("NOT_SET", lambda: "first", keep_in=path) == "first"
    assert env.secret("NOT_SET", lambda: "second", keep_in=path) == "first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secret_key"]


def test_two_starts_at_once_agree_on_one_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret_key"
    path.write_text("of the other process")
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert env.secret("NOT_SET", lambda: "ours", keep_in=path) == "of the other process"


@pytest.mark.parametrize("name", ["a+b", "a%20b", "a b", "ü#?x"])
def test_the_directory_may_have_any_name(name: str, tmp_path: Path) -> None:
    """The defaults are URLs in which these characters mean something else."""
    directory = tmp_path / name
    directory.mkdir()
    for command in (["migrate"], ["drain", "--once"]):
        result = manage(*command, VAR_DIR=str(directory))
        assert result.returncode == 0, result.stderr
    assert (directory / "tracker.sqlite3").is_file()
    assert (directory / "journal").is_dir()
    assert list(tmp_path.iterdir()) == [directory]


def test_debug_is_off_and_hosts_are_local_unless_asked_for() -> None:
    code = "from django.conf import settings as s; print(s.DEBUG, s.ALLOWED_HOSTS)"
    result = manage("shell", "--no-imports", "-c", code)
    assert result.stdout.strip() == "False ['localhost', '127.0.0.1', '[::1]']"


def test_the_documented_production_environment_passes_the_deployment_check() -> None:
    # Not where this run happens to keep its files: tracker.W002 is about the disk.
    given = {**PRODUCTION, "INTAKE_URL": "database://"}
    result = manage("check", "--deploy", "--fail-level", "INFO", **given)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("role", ["all", "storefront", "console"])
def test_every_role_passes_its_checks(role: str) -> None:
    given = {**PRODUCTION, "INTAKE_URL": "database://", "ROLE": role}
    result = manage("check", "--deploy", "--fail-level", "INFO", **given)
    assert result.returncode == 0, result.stderr


def test_the_storefront_role_has_no_console_code() -> None:
    code = (
        "import sys; from django.test import Client; Client().get('/livez');"
        "print([m for m in sys.modules if m.startswith(('django.contrib', 'tracker.console'))])"
    )
    result = manage("shell", "--no-imports", "-c", code, ROLE="storefront")
    assert result.stdout.strip() == "[]", result.stderr


def test_the_example_of_the_documentation_is_the_one_that_is_tested() -> None:
    guide = (ROOT / "docs/operations.md").read_text()
    assert all(f"{name}=" in guide for name in PRODUCTION)
