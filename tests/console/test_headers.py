"""The console's headers: browsers run only our scripts, and show pages to nobody else."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path, reverse

from core.urls import urlpatterns as real_patterns
from tests.core.test_settings import PRODUCTION, manage
from tests.support.console_urls import client_of, every_url, make_rows
from tests.support.live import ROOT, Server

CSP = "Content-Security-Policy"
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


SCRIPTS = ROOT / "tracker/console/static/console"
_FOREIGN = ("http:", "https:", "//", "data:")


class Inline(HTMLParser):
    """Collect what the policy forbids: scripts, styles and handlers within the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.found.append(f"<{tag}>")
        for name, value in given.items():
            address = (value or "").strip().lower()
            loads = name in ("src", "srcset", "action", "formaction") or tag in ("link", "base")
            foreign = loads and address.startswith(_FOREIGN)
            runs = name in ("href", "xlink:href") and address.startswith("javascript:")
            if name == "style" or name.startswith("on") or foreign or runs:
                self.found.append(f'<{tag} {name}="{value}">')


def fails(request: Any) -> Any:
    raise ZeroDivisionError


urlpatterns = [path("admin/fails/", fails), *real_patterns]
handler500 = "tracker.console.frame.failures.server_error"


def policy_of(reply: Any) -> dict[str, str]:
    parts = [part.split(maxsplit=1) for part in reply.headers.get(CSP, "").split(";")]
    return {part[0]: part[1] for part in parts if part}


def assert_guarded(reply: Any, where: str) -> None:
    assert policy_of(reply) == POLICY, where
    assert reply["X-Frame-Options"] == "DENY", where
    assert reply["X-Content-Type-Options"] == "nosniff", where
    assert reply["Referrer-Policy"] == "same-origin", where
    assert reply["Cross-Origin-Opener-Policy"] == "same-origin", where


def assert_private(reply: Any, where: str) -> None:
    assert "no-store" in reply["Cache-Control"], where
    assert "public" not in reply["Cache-Control"], where
    assert "camera=()" in reply["Permissions-Policy"], where
    assert reply["Cross-Origin-Resource-Policy"] == "same-origin", where


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("role", ["anonymous", "staff", "superuser"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_every_page_is_guarded_private_and_without_anything_inline(role: str, method: str) -> None:
    make_rows()
    for url in every_url():
        reply = client_of(role).generic(method, url.path)
        assert_guarded(reply, url.path)
        assert_private(reply, url.path)
        if reply.headers.get("Content-Type", "").startswith("text/html") and not reply.streaming:
            assert Inline(reply.content.decode()).found == [], url.path


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "/admin/tracker/cart/?q=nothing",
        "/admin/tracker/cart/?state=stale&age=7d&product=sku-1",
        "/admin/tracker/item/?q=sku-1",
        "/admin/tracker/item/?after=xyz",
        "/admin/find/?q=nothing",
        "/admin/auth/user/?_popup=1",
        "/admin/auth/user/add/?_popup=1&_to_field=id",
        "/admin/auth/user/?is_staff__exact=1&o=1",
        "/admin/auth/user/?password__startswith=a",
        "/admin/nothing",
    ],
)
def test_pages_in_other_states_have_nothing_inline(address: str) -> None:
    make_rows()
    reply = client_of("superuser").get(address)
    assert_guarded(reply, address)
    assert Inline(reply.content.decode()).found == []


@pytest.mark.django_db
def test_pages_after_a_form_have_nothing_inline() -> None:
    client = client_of("superuser")
    form = {"username": "new", "password1": "1", "password2": "2", "usable_password": "true"}
    for address, data in [
        (reverse("admin:auth_user_add") + "?_popup=1", form),
        (reverse("admin:auth_user_changelist"), {"action": "delete_selected", "index": "0"}),
        (reverse("admin:auth_group_add") + "?_popup=1", {"name": "new", "_popup": "1"}),
    ]:
        page = client.post(address, data, follow=True)
        assert page.status_code == 200
        assert Inline(page.content.decode()).found == []


@pytest.mark.django_db  # Django checks the connection at the end of a request.
@pytest.mark.parametrize("path", ["/static/admin/css/base.css", "/static/console/console.js"])
def test_static_files_are_guarded(path: str) -> None:
    reply: Any = Client().get(path)
    assert reply.status_code == 200
    b"".join(reply.streaming_content)
    reply.close()
    assert_guarded(reply, path)


def test_an_unknown_address_is_guarded() -> None:
    assert_guarded(Client().get("/nothing"), "/nothing")


@pytest.mark.urls(__name__)
def test_an_unexpected_error_is_a_guarded_page_in_the_frame() -> None:
    reply = Client(raise_request_exception=False).get("/admin/fails/")
    assert reply.status_code == 500
    assert_guarded(reply, "500")
    assert_private(reply, "500")
    page = reply.content.decode()
    assert "Something went wrong" in page
    assert 'id="header"' in page
    assert "ZeroDivisionError" not in page


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/items", "/livez", "/readyz", "/metrics", "/openapi.json"])
def test_the_storefronts_side_keeps_its_own_headers(path: str) -> None:
    reply = Client().get(path)
    assert CSP not in reply.headers
    assert "Permissions-Policy" not in reply.headers
    assert "Cross-Origin-Resource-Policy" not in reply.headers


@pytest.mark.django_db
def test_the_consoles_address_needs_no_slash() -> None:
    assert Client().get("/admin").headers["Location"] == "/admin/"


def test_behind_tls_the_cookies_are_for_tls_alone(serve: Callable[..., Server]) -> None:
    live = serve(TRUSTED_PROXIES="1")
    reply = live.request("GET", "/admin/login/", headers={"X-Forwarded-Proto": "https"})
    cookie = reply.headers["Set-Cookie"]
    assert cookie.startswith("csrftoken=")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax"):
        assert attribute in cookie
    assert reply.headers["Strict-Transport-Security"].startswith("max-age=31536000")


@pytest.mark.django_db
def test_no_script_can_read_the_session_and_it_ends_with_the_browser() -> None:
    User.objects.create_user("alice", password="secret", is_staff=True)
    form = {"username": "alice", "password": "secret"}
    cookie = Client().post(reverse("admin:login"), form).cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == cookie["expires"] == ""


@pytest.mark.django_db
def test_a_session_ends_twelve_hours_after_the_login() -> None:
    from datetime import timedelta

    from freezegun import freeze_time

    with freeze_time("2026-11-23 08:00:00") as clock:
        client = client_of("superuser")
        clock.tick(timedelta(hours=11, minutes=59))
        assert client.get(reverse("admin:index")).status_code == 200
        clock.tick(timedelta(minutes=2))
        assert client.get(reverse("admin:index")).status_code == 302


def test_production_sends_secure_cookies_and_hashes_passwords_as_django_does() -> None:
    code = (
        "from django.conf import settings as s;"
        "from django.contrib.auth.hashers import make_password as m;"
        "print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_HTTPONLY,"
        " s.CSRF_COOKIE_HTTPONLY, s.SECURE_SSL_REDIRECT, m('x').split('$')[0])"
    )
    result = manage("shell", "--no-imports", "-c", code, **PRODUCTION)
    assert result.stdout.strip() == "True True True True True pbkdf2_sha256"


def test_the_policy_is_the_same_with_debug_and_the_toolbar(serve: Callable[..., Server]) -> None:
    live = serve(DEBUG="1")
    reply = live.request("GET", "/admin/login/")
    assert b"djDebug" in reply.body
    assert "unsafe" not in reply.headers[CSP]
    assert Inline(reply.body.decode()).found == []


def test_the_toolbar_keeps_a_page_while_its_files_are_loaded(serve: Callable[..., Server]) -> None:
    live = serve(DEBUG="1")
    page = live.request("GET", "/admin/login/").body.decode()
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    for file in files * (1 + 40 // len(files)):
        assert live.request("GET", file).status == 200
    request_id = page.partition('data-request-id="')[2].partition('"')[0]
    address = f"/__debug__/render_panel/?request_id={request_id}&panel_id=SQLPanel"
    assert "available anymore" not in live.request("GET", address).json()["content"]


@pytest.mark.django_db
@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_a_login_does_not_redirect_to_another_site(target: str) -> None:
    User.objects.create_user("alice", password="secret", is_staff=True)
    form = {"username": "alice", "password": "secret", "next": target}
    reply = Client().post(f"{reverse('admin:login')}", form)
    assert "evil" not in reply["Location"]


@pytest.mark.parametrize(
    "script", sorted((ROOT / "tracker/console/static/console").glob("*.js")), ids=str
)
def test_scripts_do_not_write_data_as_markup(script: Path) -> None:
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|\bwrite\(|eval\(", script.read_text()
    )
    assert found == []
