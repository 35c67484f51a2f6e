"""django-debug-toolbar: there with DEBUG, and in no other way."""

from collections.abc import Callable

import pytest
from django.core.management import call_command

from tests.core.test_settings import manage
from tests.support.live import ROOT, Server, wait_for


def test_with_debug_it_is_there_with_the_demo_shop(serve: Callable[..., Server]) -> None:
    """A POST is in its history; the start says where the shop is."""
    live = serve(DEBUG="1")
    assert live.add(product_id="seen-in-history").status == 200
    page = live.request("GET", "/admin/login/").body.decode()
    assert 'id="djDebug"' in page
    store_id = page.partition('data-request-id="')[2].partition('"')[0]
    history = live.request("GET", f"/__debug__/history_refresh/?request_id={store_id}")
    assert "/items" in history.body.decode()
    assert "seen-in-history" in history.body.decode()
    wait_for(lambda: f"http://127.0.0.1:{live.port}/demo/" in live.printed())
    assert live.request("GET", "/demo/").status == 200


def test_it_is_nowhere_without_debug(serve: Callable[..., Server]) -> None:
    live = serve()
    assert b"djDebug" not in live.request("GET", "/admin/login/").body
    assert live.request("GET", "/__debug__/render_panel/").status == 404
    assert "/demo/" not in live.printed()


@pytest.mark.parametrize("role", ["all", "storefront", "console"])
def test_it_is_not_even_imported_without_debug(role: str) -> None:
    """A server has requirements-production.txt only."""
    code = "import sys; print(any(name.startswith('debug_toolbar') for name in sys.modules))"
    assert manage("shell", "--no-imports", "-c", code, ROLE=role).stdout.strip() == "False"


def test_a_production_server_does_not_install_it() -> None:
    assert "debug-toolbar" not in (ROOT / "requirements-production.txt").read_text()


@pytest.mark.django_db
def test_the_migrations_are_in_step_with_the_models() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True)
