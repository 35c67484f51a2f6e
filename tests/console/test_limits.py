"""Every statement of the console has a time limit, and no other statement has one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import path, reverse

from core.urls import urlpatterns as real_patterns
from tests.console.test_failures import assert_readable
from tests.support.console_urls import client_of, every_url, make_rows
from tracker.console.frame import limits
from tracker.console.frame.site import ConsoleSite
from tracker.models import Item

ENDLESS = {
    "postgresql": "SELECT pg_sleep(100)",
    # The first row comes at once, the second after seconds: reading later is limited, too. It does
    # end, because pytest's timeout could not interrupt it.
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50000000)"
    " SELECT x FROM n WHERE x IN (1, 50000000)",
}


def run_endless() -> None:
    with connection.cursor() as cursor:
        cursor.execute(ENDLESS[connection.vendor])
        cursor.fetchall()


def endless(request: HttpRequest) -> HttpResponse:
    run_endless()
    return HttpResponse("It has ended.")


def endless_when_drawn(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "admin/console/failure.html", {"text": run_endless})


urlpatterns = [
    path("admin/endless/", ConsoleSite().admin_view(endless)),
    path("admin/drawn/", ConsoleSite().admin_view(endless_when_drawn)),
    *real_patterns,
]


@pytest.mark.urls(__name__)
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", ["endless", "drawn"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_statement_without_an_end_is_cut_off(
    method: str, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of("superuser")
    before = connection.connection
    with monkeypatch.context() as patch:
        patch.setattr(limits, "READ_TIMEOUT_MS", 50)
        patch.setattr(limits, "WRITE_TIMEOUT_MS", 50)
        reply = client.generic(method, f"/admin/{page}/")
    assert_readable(reply, 503, "Narrow your search")
    assert "Log out" in reply.content.decode()  # The whole frame: this account's menu was read.
    assert client.get(reverse("admin:tracker_cart_changelist")).status_code == 200
    assert connection.connection is before
    assert not is_limited()


def is_limited() -> bool:
    """Return whether the connection has a limit now. On SQLite, run a query that one would end."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SHOW statement_timeout")
            return bool(cursor.fetchone()[0] != "0")
        cursor.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000)"
            " SELECT count(*) FROM n"
        )
        return bool(cursor.fetchone()[0] != 1_000_000)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("timeout_ms", [50, 5_000])
def test_a_limit_ends_with_its_block(timeout_ms: int) -> None:
    with limits.time_limit(timeout_ms):
        Item.objects.count()
    assert not is_limited()


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_opened_again_is_limited() -> None:
    with limits.time_limit(50):
        Item.objects.count()
        connection.close()
        with pytest.raises(OperationalError) as raised:
            run_endless()
    assert limits.is_timeout(raised.value)
    assert not is_limited()


@contextmanager
def watched() -> Iterator[list[bool]]:
    """Record for each statement in the block whether it is limited."""
    seen: list[bool] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(any(isinstance(each, limits._Limit) for each in connection.execute_wrappers))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield seen


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_statement_of_every_address_is_limited(method: str) -> None:
    make_rows()
    client = client_of("superuser")
    for url in every_url():
        client.force_login(User.objects.get(username="superuser"))
        with watched() as seen:
            reply = client.generic(method, url.path)
            if reply.streaming:
                reply.getvalue()
        assert all(seen), url.name


@pytest.mark.django_db
def test_a_login_is_limited_and_an_add_is_not(client: Client) -> None:
    User.objects.create_user("alice", password="a", is_staff=True)
    with watched() as seen:
        client.post(reverse("admin:login"), {"username": "alice", "password": "b"})
        client.post(reverse("admin:login"), {"username": "alice", "password": "a"})
    assert seen
    assert all(seen)
    with watched() as seen:
        body = json.dumps({"product_id": "sku-1"})
        assert client.post("/items", body, content_type="application/json").status_code == 200
    assert seen
    assert not any(seen)
