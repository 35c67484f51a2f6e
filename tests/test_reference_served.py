"""/docs as it is served: its headers, its roles, and what it costs those who do not read it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.live import Server
from tests.shown import Shown
from tests.test_console_headers import Inline, policy_of
from tests.test_settings import PRODUCTION, manage

pytestmark = pytest.mark.once
POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def test_the_page_guards_itself() -> None:
    reply: Any = Client().get("/docs")
    assert policy_of(reply) == POLICY
    assert reply["X-Content-Type-Options"] == "nosniff"
    assert reply["Referrer-Policy"] == "same-origin"
    assert not reply.cookies
    assert "Vary" not in reply.headers
    assert Inline(reply.content.decode()).found == []


def test_without_debug_there_is_nothing_to_try() -> None:
    tags = Shown(Client().get("/docs").content).tags
    assert not {"script", "form", "textarea", "button"} & set(tags)


def test_it_is_kept_for_five_minutes_and_then_asked_for_by_its_etag() -> None:
    first = Client().get("/docs/")
    assert first["Cache-Control"] == "max-age=300, public"
    again = Client().get("/docs", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert policy_of(again) == POLICY


def test_it_is_rendered_once() -> None:
    Client().get("/docs")
    assert Client().get("/docs").templates == []


def test_it_is_only_to_be_read() -> None:
    assert Client().post("/docs").status_code == 405


@pytest.mark.parametrize("role", ["all", "storefront"])
def test_shops_side_has_it_with_all_that_it_loads(serve: Callable[..., Server], role: str) -> None:
    live = serve("--role", role)
    page = live.request("GET", "/docs")
    assert (page.status, page.body) == (200, Client().get("/docs").content)
    assert live.request("GET", "/docs/").body == page.body
    assert policy_of(page) == POLICY
    loaded = re.findall(rb'<link rel="\w+" href="([^"]+)"', page.body)
    assert [live.request("GET", each.decode()).status for each in loaded] == [200, 200]
    assert f"http://127.0.0.1:{live.port}/docs\n" in live.printed()


def test_the_consoles_role_has_none(serve: Callable[..., Server]) -> None:
    live = serve("--role", "console")
    assert [live.request("GET", path).status for path in ("/docs", "/docs/style.css")] == [404, 404]
    assert "/docs" not in live.printed()


def test_a_process_that_only_takes_items_does_not_load_it() -> None:
    code = "import sys, core.wsgi, core.urls; print('tracker.reference.content' in sys.modules)"
    result = manage("shell", "--no-imports", "-c", code, **PRODUCTION, ROLE="storefront")
    assert result.stdout.strip() == "False"
