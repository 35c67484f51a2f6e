"""The files in deploy/ say what the code says: settings, arguments, addresses, metrics."""

import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.urls import URLResolver, get_resolver

from tests.support.guides import DEPLOY, GUIDE, units, values
from tests.support.live import ROOT
from tracker.counters import CountedCollector

TABLE = (ROOT / "docs" / "settings.md").read_text()
SETTINGS = set(re.findall(r"^\| `([A-Z_]+)` \|", TABLE, re.MULTILINE))
EXAMPLE = (DEPLOY / "cart-tracker.env.example").read_text()


# -- Settings --------------------------------------------------------------------------------------
def example() -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def test_the_example_names_settings_that_exist() -> None:
    assert set(example()) <= SETTINGS


def test_the_example_is_fit_for_production(tmp_path: Path) -> None:
    given = example() | {"SECRET_KEY": "k" * 20 + "0123456789" * 4, "VAR_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return services


def ours() -> dict[str, Any]:
    """The services that run the tracker's own image."""
    return {name: each for name, each in compose().items() if each["image"] == "cart-tracker"}


def test_the_containers_are_given_settings_that_exist() -> None:
    for name, service in ours().items():
        assert set(service["environment"]) <= SETTINGS, name


def test_a_storefronts_container_has_no_way_to_the_database() -> None:
    services = compose()
    assert "DATABASE_URL" not in services["storefront"]["environment"]
    assert not set(services["storefront"]["networks"]) & set(services["postgres"]["networks"])
    assert services["storefront"]["deploy"]["replicas"] > 1


# -- What is started -------------------------------------------------------------------------------
def parse(command: list[str]) -> Any:
    """Arguments after manage.py, read as the command itself reads them. Exits if they are wrong."""
    name, *arguments = command
    found = load_command_class(get_commands()[name], name)
    return found.create_parser("manage.py", name).parse_args(arguments)


def test_the_units_start_what_there_is() -> None:
    roles = {}
    for unit in units():
        for line in values(unit, "#?ExecStart"):
            program, manage, *command = line.split()
            assert (program, manage) == (
                "/opt/cart-tracker/.venv/bin/python",
                "/opt/cart-tracker/manage.py",
            )
            parsed = parse(command)
            if command[0] == "serve":
                roles[parsed.role] = parsed.port
    assert roles == {None: 8000, "storefront": 8001, "console": 8002}


def test_the_units_are_all_shut_in_alike() -> None:
    shut_in = {
        unit.name: unit.read_text().partition("NoNewPrivileges")[2].partition("\n[")[0].strip()
        for unit in units()
    }
    assert len(set(shut_in.values())) == 1, shut_in.keys()


def test_no_two_units_empty_each_others_directory() -> None:
    [*places] = [values(unit, "Environment") for unit in units()]
    assert all(re.fullmatch(r"VAR_DIR=/var/lib/cart-tracker\S*", each) for [each] in places)
    assert len({each for [each] in places}) == len(places)


def test_the_containers_start_what_there_is() -> None:
    for service in ours().values():
        parse(service["command"])


def test_the_image_has_all_of_the_code_and_nothing_else() -> None:
    copied = re.findall(r"^COPY (?!--from)(\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert set(copied) == {
        "requirements-production.txt",
        "manage.py",
        *("core", "middleware", "templates", "tracker"),
    }
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text()
    assert set(re.findall(r"^!(\S+)", sent, re.MULTILINE)) == set(copied)


# -- Addresses: whose is which, by the two proxies -------------------------------------------------
NGINX = (DEPLOY / "nginx.conf").read_text().partition("listen 443")[2]
CADDY = (DEPLOY / "Caddyfile").read_text()
_LOCATION = re.compile(r"^    location (=|~|) ?(\S+) \{\n(.*?)^    \}", re.MULTILINE | re.DOTALL)
_HANDLE = re.compile(r"^\t@(\w+) path (.*)\n\thandle @\1 \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)


def by_nginx(path: str) -> str | None:
    """Return "storefront", "console", or None; by nginx's own order of locations."""
    found = _LOCATION.findall(NGINX)
    exact = [body for kind, pattern, body in found if kind == "=" and pattern == path]
    regex = [body for kind, pattern, body in found if kind == "~" and re.search(pattern, path)]
    passed = re.search(r"proxy_pass http://cart_tracker_(\w+);", "".join((exact + regex)[:1]))
    return passed and passed[1]


def by_caddy(path: str) -> str | None:
    """The same. An asterisk at the end stands for anything, elsewhere for all but a slash."""
    for _, patterns, body in _HANDLE.findall(CADDY):
        for pattern in patterns.split():
            slashes = pattern.endswith("*") or path.count("/") == pattern.count("/")
            if slashes and fnmatch(path, pattern):
                passed = re.search(r"reverse_proxy \{\$TRACKER_(\w+):", body)
                return passed and passed[1].lower()
    return None


PROXIES = pytest.mark.parametrize("proxy", [by_nginx, by_caddy])
PRIVATE = {"/livez", "/readyz", "/metrics"}


def addresses() -> dict[str, str | None]:
    """All that the code serves, and whose it is; None for what is nobody's from outside."""
    found: dict[str, str | None] = {}
    for each in get_resolver().url_patterns:
        if isinstance(each, URLResolver) and not str(each.pattern):
            paths = [f"/{pattern.pattern}" for pattern in each.url_patterns]
            found |= {path: None if path in PRIVATE else "storefront" for path in paths}
        else:
            found[f"/{each.pattern}"] = "console"
    assert found.keys() > PRIVATE
    public = [path for path in settings.PUBLIC_ROOT.rglob("*") if path.is_file()]
    served = [path for path in public if path.suffix not in {".br", ".gz"}]
    assert served
    return found | {f"/{path.relative_to(settings.PUBLIC_ROOT)}": "storefront" for path in served}


@PROXIES
def test_all_that_is_served_reaches_its_role(proxy: Any) -> None:
    beyond = {
        "/items/anything": "storefront",
        "/cart-tracker.v1.0123456789ab.js": "storefront",
        "/admin/tracker/cart/": "console",
        "/static/admin/css/base.css": "console",
    }
    expected = addresses() | beyond
    assert {path: proxy(path) for path in expected} == expected


@PROXIES
@pytest.mark.parametrize(
    "path", ["/itemsx", "/administrator", "/demo/", "/__debug__/", "/manage.py", "/docsx"]
)
def test_nothing_else_gets_in(proxy: Any, path: str) -> None:
    assert proxy(path) is None


def test_nginx_says_itself_who_asks_and_how() -> None:
    """Whatever the client has sent: TRUSTED_PROXIES=1 believes both."""
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in NGINX
    assert "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;" in NGINX
    # One such line in a location, and it inherits none of these.
    assert not any("proxy_set_header" in body for *_, body in _LOCATION.findall(NGINX))
    assert example()["TRUSTED_PROXIES"] == "1"


# -- Words -----------------------------------------------------------------------------------------
def test_the_alerts_ask_for_numbers_that_exist() -> None:
    asked = set(re.findall(r"\bcart_tracker_\w+", (DEPLOY / "alerts.yml").read_text()))
    metrics = list(CountedCollector().collect())
    counted = {sample.name for metric in metrics for sample in metric.samples}
    families = {metric.name for metric in metrics if metric.type == "counter"}
    backlog = {f"cart_tracker_backlog_{name}" for name in ("records", "bytes", "oldest_seconds")}
    known = counted | backlog | {f"{name}_total" for name in families}
    assert asked
    assert asked <= known


def test_the_files_that_the_guide_names_exist() -> None:
    for name in re.findall(r"deploy/([\w.-]+\w)", GUIDE):
        assert list(DEPLOY.glob(f"{name}*")), name
