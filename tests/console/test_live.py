"""The live view: what a page that polls receives, and what each poll costs."""

import random
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tracker.adds import Add, Record
from tracker.console.live import page as live
from tracker.console.models import AuditEntry
from tracker.models import Item
from tracker.rows import erasure
from tracker.rows import merge as store

CART, OTHER = UUID(int=1, version=4), UUID(int=2, version=4)
SECOND = 10**9
pytestmark = pytest.mark.django_db


def ago(seconds: float) -> int:
    """Return the version of a time in the past."""
    return int((timezone.now() - timedelta(seconds=seconds)).timestamp() * 10**6) * 1000


def add(product_id: str, at: int, *, cart_id: UUID = CART, **members: Any) -> None:
    """Merge an add now, whenever it was accepted."""
    store.merge([Record(Add(cart_id, product_id, **members), at)])


class Screen:
    """A page that polls. It shows each item once, with its newest add, as live.js does."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.mark = ""
        self.rows: dict[str, dict[str, str]] = {}

    def poll(self) -> list[str]:
        """Poll. Return the product ids of what was not shown before."""
        found = self.client.get(reverse("admin:live_adds"), {"after": self.mark})
        if found.status_code == 304:
            assert found.content == b""
            return []
        answer = found.json()
        self.mark = answer["mark"]
        new = [row for row in answer["adds"] if self._is_new(row)]
        self.rows |= {row["id"]: row for row in new}
        return [row["product"] for row in new]

    def _is_new(self, row: dict[str, str]) -> bool:
        return row["id"] not in self.rows or row["at"] > self.rows[row["id"]]["at"]

    def status(self) -> int:
        return self.client.get(reverse("admin:live_adds"), {"after": self.mark}).status_code


@pytest.fixture
def screen(admin_client: Client) -> Screen:
    return Screen(admin_client)


def test_the_newest_adds_come_first(screen: Screen) -> None:
    for number in range(3):
        add(f"p{number}", ago(10 - number))
    assert screen.poll() == ["p2", "p1", "p0"]


def test_a_new_item_shows_up_once(screen: Screen) -> None:
    add("old", ago(10))
    screen.poll()
    add("new", ago(0))
    assert screen.poll() == ["new"]
    assert screen.poll() == []


def test_a_product_that_is_added_again_shows_up_again(screen: Screen) -> None:
    add("socks", ago(7200))
    add("boots", ago(60))
    screen.poll()
    add("socks", ago(0))
    assert screen.poll() == ["socks"]
    assert [row["again"] for row in screen.rows.values()].count("again") == 1


def test_nothing_new_is_304(screen: Screen) -> None:
    assert screen.poll() == []
    assert screen.status() == 304
    add("socks", ago(0))
    assert screen.status() == 200
    screen.poll()
    assert screen.status() == 304


def test_a_time_of_whole_seconds_is_not_new_again(screen: Screen) -> None:
    """SQLite compares times as text, in which Django leaves a fraction of zero out."""
    whole = ago(60) // SECOND * SECOND
    add("a", whole - 5 * SECOND, cart_id=OTHER)
    add("b", whole)
    assert screen.poll() == ["b", "a"]
    assert screen.status() == 304


def test_the_mark_is_the_answers_etag(screen: Screen) -> None:
    address = reverse("admin:live_adds")
    answer = screen.client.get(address)
    mark = answer.json()["mark"]
    assert answer["ETag"] == f'"{mark}"'
    unchanged = screen.client.get(address, {"after": mark})
    assert (unchanged.status_code, unchanged["ETag"]) == (304, answer["ETag"])


@pytest.mark.parametrize("late_s", [0.0, 0.000_001, 1.5, 4.9])
def test_an_add_that_is_stored_after_a_newer_one_is_not_lost(screen: Screen, late_s: float) -> None:
    """Several drains commit in no particular order."""
    newest = ago(1)
    add("newer", newest)
    screen.poll()
    add("late", newest - int(late_s * SECOND), cart_id=OTHER)
    assert screen.poll() == ["late"]
    assert screen.poll() == []


def test_a_late_add_to_the_same_cart_is_not_lost(screen: Screen) -> None:
    """The cart's own time does not move then."""
    newest = ago(1)
    add("newer", newest)
    screen.poll()
    add("late", newest - SECOND)
    assert screen.poll() == ["late"]


def test_a_late_add_again_in_the_same_cart_comes_with_the_next_add(screen: Screen) -> None:
    """It changes neither the cart's time nor the number or value of its items."""
    newest = ago(1)
    add("again", ago(7200))
    add("newer", newest)
    screen.poll()
    add("again", newest - SECOND)
    assert screen.poll() == []
    add("next", ago(0), cart_id=OTHER)
    assert screen.poll() == ["next", "again"]


def test_adds_that_are_stored_in_any_order_all_show_up_once(screen: Screen) -> None:
    """Merge 200 adds of 40 s to ten carts, each up to 5 s late, some of them twice."""
    chance = random.Random(7)
    end = ago(0)
    carts = [uuid4() for _ in range(10)]
    adds = [
        (end - number * SECOND // 5, f"p{number}", chance.choice(carts)) for number in range(200)
    ]
    adds.sort(key=lambda each: each[0] + chance.random() * 4.9 * SECOND)
    shown: list[str] = []
    for number, (at, product_id, cart_id) in enumerate(adds):
        add(product_id, at, cart_id=cart_id)
        if chance.random() < 0.2:
            add(product_id, at, cart_id=cart_id)
        if number % 3 == 0:
            shown += screen.poll()
    shown += screen.poll()
    assert sorted(shown) == sorted(product_id for _, product_id, _ in adds)


def test_a_clock_that_is_ahead_hides_nothing(screen: Screen) -> None:
    add("ahead", ago(-3600))
    screen.poll()
    assert screen.status() == 304
    add("now", ago(0), cart_id=OTHER)
    assert screen.poll() == ["now"]


def test_at_most_the_hundred_newest_are_sent(screen: Screen) -> None:
    begin = ago(10)
    adds = [Add(UUID(int=n % 7, version=4), f"p{n}") for n in range(150)]
    store.merge([Record(each, begin + number) for number, each in enumerate(adds)])
    assert len(screen.poll()) == live.MAX_ADDS
    # Times are stored in microseconds, so add at least a thousand nanoseconds.
    store.merge([Record(each, begin + 10**6 * n) for n, each in enumerate(adds)])
    assert screen.poll() == [f"p{number}" for number in range(149, 49, -1)]


def test_a_large_cart_does_not_crowd_out_the_newest_adds(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_ITEMS_READ", 3)
    for number in range(4):
        add(f"large-{number}", ago(10 - number))
    add("small", ago(1), cart_id=OTHER)
    assert screen.poll() == ["small"]
    add("large-4", ago(0))
    assert screen.poll() == ["large-4"]


def test_an_erased_cart_is_gone_and_disturbs_nothing(screen: Screen) -> None:
    add("kept", ago(10), cart_id=OTHER)
    add("erased", ago(1))
    screen.poll()
    erasure.erase(CART)
    assert screen.poll() == []
    assert screen.status() == 304
    assert Screen(screen.client).poll() == ["kept"]


@pytest.mark.parametrize(
    "mark", ["x", "1", "1-", "1-g0g0g0g0g0g0g0g0", f"{'9' * 18}-{'0' * 16}", f"-1-{'0' * 16}", "\0"]
)
def test_a_malformed_mark_is_refused(admin_client: Client, mark: str) -> None:
    assert admin_client.get(reverse("admin:live_adds"), {"after": mark}).status_code == 400


def test_the_page_is_drawn_by_the_server(screen: Screen) -> None:
    add("socks", ago(5), name="Blue <b>socks</b>", price=1299)
    page = screen.client.get(reverse("admin:live")).content.decode()
    assert "Blue &lt;b&gt;socks&lt;/b&gt;" in page
    assert "12.99" in page
    assert f'<code data-text="cart">{CART.hex[-8:]}</code>' in page
    assert reverse("admin:tracker_cart_change", args=[CART]) in page
    assert reverse("admin:tracker_item_change", args=[Item.objects.get().id]) in page
    assert re.search(rf'href="{reverse("admin:live")}"[^>]*>Refresh', page)


def test_the_page_polls_for_what_is_newer_than_its_first_rows(screen: Screen) -> None:
    add("socks", ago(5))
    page = screen.client.get(reverse("admin:live")).content.decode()
    screen.mark = page.partition('data-mark="')[2].partition('"')[0]
    assert screen.status() == 304
    add("boots", ago(0))
    assert "boots" in screen.poll()


def test_a_row_made_by_the_script_has_every_field_of_one_made_by_the_server(screen: Screen) -> None:
    """The template of a row names members of the answer, and no others."""
    add("socks", ago(5))
    page = screen.client.get(reverse("admin:live")).content.decode()
    names = set(re.findall(r'data-(?:text|link)="(\w+)"', page))
    screen.poll()
    (row,) = screen.rows.values()
    assert names == set(row) - {"id", "at"}


def test_it_is_in_the_menu(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:find")).content.decode()
    assert f'<a href="{reverse("admin:live")}"' in page
    assert reverse("admin:live_adds") not in page


def test_polling_writes_nothing(screen: Screen) -> None:
    """It adds no audit entry, and an open page does not prolong the session."""
    add("socks", ago(5))
    before = Session.objects.values().get()
    with CaptureQueriesContext(connection) as queries:
        screen.poll()
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


def asked_of_rows(poll: Callable[[], Any]) -> list[str]:
    """Return the statements about carts and items."""
    with CaptureQueriesContext(connection) as queries:
        poll()
    return [each["sql"] for each in queries if "tracker_" in each["sql"]]


def test_a_304_costs_one_read_of_the_carts(screen: Screen) -> None:
    add("socks", ago(5))
    screen.poll()
    (sql,) = asked_of_rows(screen.status)
    assert "tracker_item" not in sql
    assert "LIMIT 100" in sql


def test_every_answer_costs_the_same(screen: Screen) -> None:
    for number in range(30):
        add(f"p{number}", ago(0), cart_id=uuid4())
        assert len(asked_of_rows(screen.poll)) == 2


FILL = """
INSERT INTO tracker_cart (id, created_at, updated_at)
SELECT gen_random_uuid(), now() - n * interval '1 second', now() - n * interval '1 second'
FROM generate_series(1, 25000) AS n;

INSERT INTO tracker_item
    (id, cart_id, product_id, name_version, price_version, created_at, updated_at)
SELECT gen_random_uuid(), id, 'p' || n, -1, -1, created_at, updated_at
FROM tracker_cart, generate_series(1, 6) AS n;

-- One very large cart, the newest of all.
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
    """Check the plans for 25,000 carts, one of them with 20,000 items."""
    with connection.cursor() as cursor:
        cursor.execute(FILL)
    asked = asked_of_rows(screen.poll) + asked_of_rows(screen.status)
    add("new", ago(0))
    asked += asked_of_rows(screen.poll)
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
