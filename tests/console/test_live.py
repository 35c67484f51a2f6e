"""The live view: what a page that asks again and again gets to see."""

import random
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
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

    def look(self) -> list[str]:
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
    assert screen.look() == ["p2", "p1", "p0"]


def test_a_new_item_shows_up_once(screen: Screen) -> None:
    add("old", ago(10))
    screen.look()
    add("new", ago(0))
    assert screen.look() == ["new"]
    assert screen.look() == []


def test_a_product_that_is_added_again_shows_up_again(screen: Screen) -> None:
    add("socks", ago(7200))
    add("boots", ago(60))
    screen.look()
    add("socks", ago(0))
    assert screen.look() == ["socks"]
    assert [row["again"] for row in screen.rows.values()].count("again") == 1


def test_nothing_new_is_304(screen: Screen) -> None:
    assert screen.look() == []
    assert screen.status() == 304
    add("socks", ago(0))
    assert screen.status() == 200
    screen.look()
    assert screen.status() == 304


def test_a_whole_second_is_no_reason_to_answer_again(screen: Screen) -> None:
    """SQLite compares times as text, in which Django leaves a fraction of zero out."""
    whole = ago(60) // SECOND * SECOND
    add("a", whole - 5 * SECOND, cart_id=OTHER)
    add("b", whole)
    assert screen.look() == ["b", "a"]
    assert screen.status() == 304


def test_the_mark_is_the_answers_etag(screen: Screen) -> None:
    address = reverse("admin:live_adds")
    answer = screen.client.get(address)
    mark = answer.json()["mark"]
    assert answer["ETag"] == f'"{mark}"'
    unchanged = screen.client.get(address, {"after": mark})
    assert (unchanged.status_code, unchanged["ETag"]) == (304, answer["ETag"])


@pytest.mark.parametrize("late_s", [0.0, 0.000_001, 1.5, 4.9])
def test_what_becomes_a_row_after_a_newer_one_is_not_lost(screen: Screen, late_s: float) -> None:
    """Several drains commit in no particular order."""
    newest = ago(1)
    add("newer", newest)
    screen.look()
    add("late", newest - int(late_s * SECOND), cart_id=OTHER)
    assert screen.look() == ["late"]
    assert screen.look() == []


def test_what_is_late_in_the_same_cart_is_not_lost(screen: Screen) -> None:
    """The cart's own time does not move then."""
    newest = ago(1)
    add("newer", newest)
    screen.look()
    add("late", newest - SECOND)
    assert screen.look() == ["late"]


def test_a_late_add_again_in_the_same_cart_comes_with_the_next_add(screen: Screen) -> None:
    """Neither the cart's time, nor its items' number, nor their value tells of it."""
    newest = ago(1)
    add("again", ago(7200))
    add("newer", newest)
    screen.look()
    add("again", newest - SECOND)
    assert screen.look() == []
    add("next", ago(0), cart_id=OTHER)
    assert screen.look() == ["next", "again"]


def test_rows_in_any_order_all_show_up_once(screen: Screen) -> None:
    """Two hundred adds to ten carts over 40 s, each a row up to 5 s late, some of them twice."""
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
            shown += screen.look()
    shown += screen.look()
    assert sorted(shown) == sorted(product_id for _, product_id, _ in adds)


def test_a_clock_that_is_ahead_hides_nothing(screen: Screen) -> None:
    add("ahead", ago(-3600))
    screen.look()
    assert screen.status() == 304
    add("now", ago(0), cart_id=OTHER)
    assert screen.look() == ["now"]


def test_at_most_a_hundred_are_sent_the_newest(screen: Screen) -> None:
    begin = ago(10)
    adds = [Add(UUID(int=n % 7, version=4), f"p{n}") for n in range(150)]
    store.merge([Record(each, begin + number) for number, each in enumerate(adds)])
    assert len(screen.look()) == live.MAX_ADDS
    # Microseconds are what a time holds: a thousand nanoseconds later is later.
    store.merge([Record(each, begin + 10**6 * n) for n, each in enumerate(adds)])
    assert screen.look() == [f"p{number}" for number in range(149, 49, -1)]


def test_carts_that_are_too_large_leave_room_for_the_newest(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_ITEMS_READ", 3)
    for number in range(4):
        add(f"large-{number}", ago(10 - number))
    add("small", ago(1), cart_id=OTHER)
    assert screen.look() == ["small"]
    add("large-4", ago(0))
    assert screen.look() == ["large-4"]


def test_an_erased_cart_is_gone_and_disturbs_nothing(screen: Screen) -> None:
    add("kept", ago(10), cart_id=OTHER)
    add("erased", ago(1))
    screen.look()
    erasure.erase(CART)
    assert screen.look() == []
    assert screen.status() == 304
    assert Screen(screen.client).look() == ["kept"]


@pytest.mark.parametrize(
    "mark", ["x", "1", "1-", "1-g0g0g0g0g0g0g0g0", f"{'9' * 18}-{'0' * 16}", f"-1-{'0' * 16}", "\0"]
)
def test_a_mark_that_is_none_is_refused(admin_client: Client, mark: str) -> None:
    assert admin_client.get(reverse("admin:live_adds"), {"after": mark}).status_code == 400


def test_the_page_is_drawn_by_the_server(screen: Screen) -> None:
    add("socks", ago(5), name="Blue <b>socks</b>", price=1299)
    page = screen.client.get(reverse("admin:live")).content.decode()
    assert "Blue &lt;b&gt;socks&lt;/b&gt;" in page
    assert "12.99" in page
    assert f'<code data-text="cart">{CART.hex[:8]}</code>' in page
    assert reverse("admin:tracker_cart_change", args=[CART]) in page
    assert reverse("admin:tracker_item_change", args=[Item.objects.get().id]) in page
    assert re.search(rf'href="{reverse("admin:live")}"[^>]*>Refresh', page)


def test_the_page_goes_on_from_what_it_was_drawn_with(screen: Screen) -> None:
    add("socks", ago(5))
    page = screen.client.get(reverse("admin:live")).content.decode()
    screen.mark = page.partition('data-mark="')[2].partition('"')[0]
    assert screen.status() == 304
    add("boots", ago(0))
    assert "boots" in screen.look()


def test_the_rows_that_a_script_makes_have_all_that_the_servers_have(screen: Screen) -> None:
    """The template of a row names members of the answer, and no others."""
    add("socks", ago(5))
    page = screen.client.get(reverse("admin:live")).content.decode()
    names = set(re.findall(r'data-(?:text|link)="(\w+)"', page))
    screen.look()
    (row,) = screen.rows.values()
    assert names == set(row) - {"id", "at"}


def test_it_is_in_the_menu(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:find")).content.decode()
    assert f'<a href="{reverse("admin:live")}"' in page
    assert reverse("admin:live_adds") not in page


def test_support_may_look_and_others_may_not(client: Client) -> None:
    user = get_user_model().objects.create_user("sam", password="x", is_staff=True)
    client.force_login(user)
    for name in ("admin:live", "admin:live_adds"):
        assert client.get(reverse(name)).status_code == 403
    user.groups.add(Group.objects.get(name="Support"))
    for name in ("admin:live", "admin:live_adds"):
        assert client.get(reverse(name)).status_code == 200


def test_strangers_are_sent_to_the_login(client: Client) -> None:
    for name in ("admin:live", "admin:live_adds"):
        assert client.get(reverse(name))["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("name", ["admin:live", "admin:live_adds"])
def test_it_is_only_looked_at(admin_client: Client, name: str) -> None:
    assert admin_client.post(reverse(name)).status_code == 405


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
