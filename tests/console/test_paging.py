"""Paging while rows are added shows every older row once, in order, forward and back."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import BadRequest
from django.db import models
from django.test import Client
from django.urls import reverse

from tracker.console.lists.paging import COUNT_LIMIT, Keyset, count_text, estimated_count
from tracker.models import Cart, Item

pytestmark = pytest.mark.django_db

NEWEST_FIRST = Keyset("-updated_at", "-id")
START = datetime(2026, 11, 20, tzinfo=UTC)


def make_carts(number: int, *, at: datetime = START, step_s: float = 1.0) -> list[Cart]:
    times = [at + timedelta(seconds=each * step_s) for each in range(number)]
    return Cart.objects.bulk_create(Cart(created_at=when, updated_at=when) for when in times)


def ids(rows: list[Any]) -> list[Any]:
    return [row.pk for row in rows]


def expected() -> list[Any]:
    return list(Cart.objects.order_by("-updated_at", "-id").values_list("pk", flat=True))


def walk(size: int, pages: int, between: Any = None) -> tuple[list[Any], list[Any], str | None]:
    """Page forward, then back over the same pages. `between` runs before each."""
    forward: list[Any] = []
    back: list[Any] = []
    page = NEWEST_FIRST.page(Cart.objects.all(), size=size)
    for _ in range(pages):
        forward += ids(page.rows)
        if between:
            between()
        last, page = page, NEWEST_FIRST.page(Cart.objects.all(), size=size, after=page.older)
    page = last
    for _ in range(pages - 1):
        if between:
            between()
        page = NEWEST_FIRST.page(Cart.objects.all(), size=size, before=page.newer)
        back = ids(page.rows) + back
    return forward, back, page.newer


@pytest.mark.parametrize("step_s", [1.0, 0.0], ids=["distinct", "all at once"])
def test_twenty_pages_forward_and_back_while_carts_come_in(step_s: float) -> None:
    make_carts(420, step_s=step_s)
    before = expected()
    later = START + timedelta(days=1)
    forward, back, newer = walk(20, 20, between=lambda: make_carts(7, at=later))
    assert forward == before[:400]
    assert back == before[:380]
    assert newer  # What was added meanwhile is before the first page, and can be reached.


def test_the_first_and_the_last_page_have_no_link_beyond_them() -> None:
    make_carts(5)
    first = NEWEST_FIRST.page(Cart.objects.all(), size=3)
    assert first.newer is None
    last = NEWEST_FIRST.page(Cart.objects.all(), size=3, after=first.older)
    assert (len(last.rows), last.older) == (2, None)
    again = NEWEST_FIRST.page(Cart.objects.all(), size=3, before=last.newer)
    assert ids(again.rows) == ids(first.rows)
    assert again.newer is None
    assert again.older == first.older


def test_ascending_columns_can_be_paged() -> None:
    make_carts(7)
    keyset, found, mark = Keyset("created_at", "id"), [], None
    while True:
        page = keyset.page(Cart.objects.all(), size=2, after=mark)
        found += ids(page.rows)
        mark = page.older
        if mark is None:
            break
    assert found == list(reversed(expected()))


@pytest.mark.parametrize(
    "mark", ["x", "é", "e30", "WzFd", "W251bGwsIG51bGxd", "WyIyMDI2IiwgIngiXQ"]
)
def test_a_malformed_mark_is_refused(mark: str) -> None:
    with pytest.raises(BadRequest, match="begin at the first page"):
        NEWEST_FIRST.page(Cart.objects.all(), size=2, after=mark)


def test_nothing_is_counted_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.console.lists.changelist.paging.COUNT_LIMIT", 10)
    carts = Cart.objects.filter(item_count=0)
    make_carts(10)
    assert estimated_count(carts) == (10, True)
    make_carts(1)
    assert estimated_count(carts) == (10, False)


def test_counts_are_written_for_people() -> None:
    assert count_text(1234, exact=True) == "1,234"
    assert count_text(COUNT_LIMIT, exact=False) == "10,000+"
    assert count_text(10_112_000, exact=False, whole=True) == "about 10,112,000"


def test_the_list_of_carts_pages_through_all_carts(admin_client: Client) -> None:
    make_carts(120)
    address, seen = reverse("admin:tracker_cart_changelist"), []
    page = admin_client.get(address)
    while True:
        cl = page.context["cl"]
        seen += ids(cl.result_list)
        if not cl.older:
            break
        page = admin_client.get(address + cl.older)
    assert seen == expected()
    assert page.context["cl"].first == "?"


def test_links_between_pages_keep_filters_and_search(admin_client: Client) -> None:
    now = datetime.now(UTC)
    make_carts(60, at=now - timedelta(minutes=30))
    make_carts(60, at=now - timedelta(days=3))
    address = reverse("admin:tracker_cart_changelist")
    page = admin_client.get(f"{address}?state=stale")
    page = admin_client.get(address + page.context["cl"].older)
    assert len(page.context["cl"].result_list) == 10
    assert "state=stale" in page.context["cl"].newer


def test_a_page_of_a_cart_leads_to_its_older_items(admin_client: Client) -> None:
    cart = make_carts(1)[0]
    stamp = time.time_ns()
    Item.objects.bulk_create(
        Item(id=uuid4(), cart=cart, product_id=f"p{n}", name_version=stamp, created_at=START)
        for n in range(120)
    )
    address, seen = reverse("admin:tracker_cart_change", args=[cart.pk]), []
    page = admin_client.get(address).context["page"]
    while page:
        seen += ids(page.rows)
        if page.older is None:
            break
        page = admin_client.get(f"{address}?after={page.older}").context["page"]
    assert len(seen) == len(set(seen)) == 120


def test_marks_survive_every_kind_of_key() -> None:
    keyset = Keyset("product_id", "created_at", "id")
    cart = make_carts(1)[0]
    names = ["a b", "ä", "'\"", "\u202e", "z" * 255]
    Item.objects.bulk_create(Item(id=uuid4(), cart=cart, product_id=name) for name in names)
    rows: models.QuerySet[Item] = Item.objects.all()
    found, mark = [], None
    for _ in names:
        page = keyset.page(rows, size=1, after=mark)
        found += [row.product_id for row in page.rows]
        mark = page.older
    assert sorted(found) == sorted(names)
