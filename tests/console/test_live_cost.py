"""What the live view costs: every open page of it asks every two seconds."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.support.screen import Screen, add, ago
from tracker.console.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def screen(admin_client: Client) -> Screen:
    return Screen(admin_client)


def test_to_look_writes_nothing(screen: Screen) -> None:
    """No audit entry, and no session that lasts longer because a page stays open."""
    add("socks", ago(5))
    before = Session.objects.values().get()
    with CaptureQueriesContext(connection) as queries:
        screen.look()
        assert screen.status() == 304
        screen.client.get(reverse("admin:live"))
    assert not [each["sql"] for each in queries if writes(each["sql"])]
    assert not AuditEntry.objects.exists()
    assert Session.objects.values().get() == before


def test_an_answer_sets_no_cookie(screen: Screen) -> None:
    address = reverse("admin:live_adds")
    answer = screen.client.get(address)
    assert not answer.cookies
    assert not screen.client.get(address, {"after": answer.json()["mark"]}).cookies


def writes(sql: str) -> bool:
    return sql.lstrip("( ").startswith(("INSERT", "UPDATE", "DELETE"))


def asked_of_rows(look: Callable[[], Any]) -> list[str]:
    """The statements about carts and items."""
    with CaptureQueriesContext(connection) as queries:
        look()
    return [each["sql"] for each in queries if "tracker_" in each["sql"]]


def test_a_304_is_one_look_at_the_carts(screen: Screen) -> None:
    add("socks", ago(5))
    screen.look()
    (sql,) = asked_of_rows(screen.status)
    assert "tracker_item" not in sql
    assert "LIMIT 100" in sql


def test_an_answer_costs_the_same_whatever_it_holds(screen: Screen) -> None:
    for number in range(30):
        add(f"p{number}", ago(0), cart_id=uuid4())
        assert len(asked_of_rows(screen.look)) == 2


FILL = """
INSERT INTO tracker_cart (id, created_at, updated_at)
SELECT gen_random_uuid(), now() - n * interval '1 second', now() - n * interval '1 second'
FROM generate_series(1, 25000) AS n;

INSERT INTO tracker_item
    (id, cart_id, product_id, name_version, price_version, created_at, updated_at)
SELECT gen_random_uuid(), id, 'p' || n, -1, -1, created_at, updated_at
FROM tracker_cart, generate_series(1, 6) AS n;

-- And one cart that is no shopper's, the newest of all.
INSERT INTO tracker_item
    (id, cart_id, product_id, name_version, price_version, created_at, updated_at)
SELECT gen_random_uuid(), cart.id, 'bulk' || n, -1, -1, cart.created_at, now()
FROM generate_series(1, 20000) AS n,
     (SELECT * FROM tracker_cart ORDER BY updated_at DESC LIMIT 1) AS cart;

UPDATE tracker_cart SET updated_at = now() WHERE item_count > 10000;
ANALYZE tracker_cart, tracker_item;
"""


@pytest.mark.postgresql
def test_no_table_is_read_as_a_whole(screen: Screen) -> None:
    """With 25,000 carts, one of which holds 20,000 items: by the plans that are made then."""
    with connection.cursor() as cursor:
        cursor.execute(FILL)
    asked = asked_of_rows(screen.look) + asked_of_rows(screen.status)
    add("new", ago(0))
    asked += asked_of_rows(screen.look)
    assert len(asked) == 5
    for sql in asked:
        plan = explained(sql)
        assert "Seq Scan" not in plan, plan
        index = "tracker_item_once_per_cart" if "tracker_item" in sql else "tracker_cart_recent"
        assert index in plan, plan


def explained(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + sql)
        return "\n".join(line for (line,) in cursor.fetchall())
