"""manage.py seed_demo: a shop's data, made up, exactly as if it had been merged."""

import io
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from msgspec import UNSET

from tests import environment
from tests.live import ROOT, wait_for
from tests.terminal import Interrupting
from tests.test_tallies import counted, kept
from tracker import demo_store, store
from tracker.demo_data import LARGEST_CART_ITEMS, DemoCart, DemoItem, carts
from tracker.models import NEVER, Cart, Item, item_id
from tracker.payload import Add
from tracker.times import from_us

NOW = datetime(2026, 11, 23, 19, 30, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 10**6
once = pytest.mark.once
on_a_database = pytest.mark.django_db
on_a_shared_database = pytest.mark.usefixtures("shared_database")
pytest_plugins = ["tests.command_fixtures"]


def made(items: int, *, seed: int = 1, now: datetime = NOW, days: int = 30) -> list[DemoCart]:
    return list(carts(items, seed=seed, now=now, days=days))


# -- The carts -------------------------------------------------------------------------------------
@once
def test_a_seed_makes_the_same_carts_and_another_one_others() -> None:
    assert made(2000) == made(2000)
    assert not {cart.id for cart in made(2000)} & {cart.id for cart in made(2000, seed=2)}


@once
def test_another_now_changes_only_the_times() -> None:
    def timeless(cart: DemoCart) -> Any:
        return cart.id, [(item.product_id, item.name, item.price) for item in cart.items]

    later = made(2000, now=NOW + timedelta(hours=11))
    assert [timeless(cart) for cart in later] == [timeless(cart) for cart in made(2000)]


@once
@pytest.mark.parametrize("items", [1, 2, 7, 1000])
def test_there_are_as_many_items_as_asked_for(items: int) -> None:
    assert sum(len(cart.items) for cart in made(items)) == items


@once
def test_a_cart_holds_a_product_once() -> None:
    for cart in made(5000):
        assert len({item.product_id for item in cart.items}) == len(cart.items)


@once
def test_most_carts_are_small_and_one_of_many_is_huge() -> None:
    sizes = Counter(len(cart.items) for cart in made(100_000))
    assert sum(sizes.values()) * 0.99 < sum(sizes[size] for size in range(1, 13))
    assert all(sizes[size] for size in range(1, 13))
    assert sizes[LARGEST_CART_ITEMS] == 1
    assert max(len(cart.items) for cart in made(10_000)) < LARGEST_CART_ITEMS


@once
def test_a_few_products_are_in_many_carts_and_most_in_few() -> None:
    found = made(20_000)
    products = Counter(item.product_id for cart in found for item in cart.items)
    assert products.most_common(1)[0][1] > len(found) / 20
    assert sum(1 for number in products.values() if number == 1) > len(products) / 3


@once
def test_times_are_in_order_and_not_in_the_future() -> None:
    for cart in made(5000):
        first_us = cart.items[0].created_us
        assert NOW - timedelta(days=30, minutes=2) <= from_us(first_us)
        for item in cart.items:
            assert first_us <= item.created_us <= item.updated_us <= NOW_US


@once
@pytest.mark.parametrize("items", [300, 100_000])
def test_some_carts_are_active_and_some_are_of_the_last_day(items: int) -> None:
    last = [max(item.updated_us for item in cart.items) for cart in made(items)]
    active = sum(time >= NOW_US - 2 * 3600 * 10**6 for time in last)
    recent = sum(time >= NOW_US - 24 * 3600 * 10**6 for time in last)
    assert 2 < active < recent < len(last) / 2


@once
def test_evenings_are_busier_than_nights() -> None:
    hours = Counter(from_us(cart.items[0].created_us).hour for cart in made(20_000))
    assert hours[20] > 5 * hours[3] > 0


@once
def test_a_member_that_was_not_sent_has_no_version_and_a_cleared_one_has() -> None:
    items = [item for cart in made(5000) for item in cart.items]
    names = Counter((item.name is None, item.name_version == NEVER) for item in items)
    prices = Counter((item.price is None, item.price_version == NEVER) for item in items)
    for found in (names, prices):
        assert found.keys() == {(False, False), (True, False), (True, True)}
        assert found[False, False] > 4500
    for item in items:
        for version in {item.name_version, item.price_version} - {NEVER}:
            assert version // 1000 in (item.created_us, item.updated_us)


# -- Their rows ------------------------------------------------------------------------------------
def all_stored(found: list[DemoCart], *, chunk_items: int = 0) -> int:
    return sum(demo_store.store(found, chunk_items=chunk_items))


@on_a_database
def test_rows_are_what_was_made_with_the_counts_of_the_triggers() -> None:
    found = made(1500)
    assert all_stored(found, chunk_items=400) == 1500
    rows = {
        (item.id, item.cart_id): DemoItem(
            item.product_id,
            item.name,
            item.name_version,
            item.price,
            item.price_version,
            microseconds(item.created_at),
            microseconds(item.updated_at),
        )
        for item in Item.objects.all()
    }
    assert rows == {
        (item_id(cart.id, item.product_id), cart.id): item for cart in found for item in cart.items
    }
    assert kept() == counted()


def microseconds(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def one_cart(**members: Any) -> DemoCart:
    item = DemoItem("a", "name", 5000, 7, 5000, 5, 5)
    return DemoCart(uuid4(), [item._replace(**members)])


@on_a_database
@pytest.mark.parametrize("text", [r"\N", r"\.", "a\tb\nc\r\\", '"Grüße" \u202e\U0001f9e6', "\\"])
def test_texts_are_kept_as_they_are(text: str) -> None:
    all_stored([one_cart(product_id=text, name=text)])
    item = Item.objects.get()
    assert (item.product_id, item.name) == (text, text)


@on_a_database
def test_carts_span_their_items() -> None:
    all_stored(found := made(300))
    for cart in found:
        row = Cart.objects.get(id=cart.id)
        assert row.created_at == from_us(min(item.created_us for item in cart.items))
        assert row.updated_at == from_us(max(item.updated_us for item in cart.items))


@on_a_database
def test_later_adds_merge_with_the_rows() -> None:
    cart = one_cart(name=None, name_version=NEVER)
    all_stored([cart])
    store.merge([store.Record(Add(cart.id, "a", "sent late", 1), 4999)])
    assert Item.objects.values_list("name", "price").get() == ("sent late", 7)
    store.merge([store.Record(Add(cart.id, "a", UNSET, 8), 5001)])
    assert Item.objects.values_list("name", "price").get() == ("sent late", 8)
    assert kept() == counted()


@on_a_database
def test_what_was_stored_before_an_end_is_whole_and_counted() -> None:
    stored = demo_store.store(made(1000), chunk_items=200)
    assert sum(islice(stored, 2)) == Item.objects.count() < 500
    assert kept() == counted()


@on_a_database
def test_a_cart_that_is_there_stops_it_and_undoes_its_chunk() -> None:
    found = made(1000)
    Cart.objects.create(id=found[-1].id)
    stored = demo_store.store(found, chunk_items=600)
    first = next(stored)
    with pytest.raises(IntegrityError):
        next(stored)
    assert Item.objects.count() == first
    assert kept() == counted()


# -- The command -----------------------------------------------------------------------------------
def seed_demo(*args: str, items: int = 200, seed: int = 1, stderr: Any = None) -> str:
    out = io.StringIO()
    command = ["seed_demo", f"--items={items}", f"--seed={seed}", *args]
    call_command(*command, stdout=out, stderr=stderr or io.StringIO())
    return out.getvalue()


@on_a_shared_database
def test_it_fills_an_empty_database() -> None:
    assert seed_demo(items=1234, seed=5) == "1,234 of 1,234 items are stored.\n"
    assert {cart.id for cart in Cart.objects.all()} == {cart.id for cart in made(1234, seed=5)}
    assert kept() == counted()


@on_a_shared_database
def test_the_planner_knows_the_new_rows() -> None:
    seed_demo()
    with connection.cursor() as cursor:
        if environment.DATABASE == "postgresql":
            cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'tracker_item'")
        else:
            cursor.execute("SELECT max(stat) FROM sqlite_stat1 WHERE tbl = 'tracker_item'")
        (rows,) = cursor.fetchone()
    assert str(rows).startswith("200")


@on_a_shared_database
def test_it_keeps_away_from_carts_unless_forced() -> None:
    Cart.objects.create()
    with pytest.raises(CommandError, match="use an empty database, or --force"):
        seed_demo()
    with pytest.raises(CommandError, match="add --yes"):
        seed_demo("--force")
    assert Cart.objects.count() == 1
    seed_demo("--force", "--yes")
    assert Item.objects.count() == 200


@on_a_shared_database
def test_the_same_seed_twice_is_one_clear_line() -> None:
    seed_demo()
    with pytest.raises(CommandError, match="take another --seed"):
        seed_demo("--force", "--yes")
    seed_demo("--force", "--yes", seed=2)
    assert Item.objects.count() == 400


@on_a_database
@pytest.mark.parametrize("wrong", [["--items=0"], ["--days=0"], ["--days=99999"]])
def test_numbers_without_sense_are_refused(wrong: list[str]) -> None:
    with pytest.raises(CommandError, match=r"must be"):
        seed_demo(*wrong)
    assert not Cart.objects.exists()


@on_a_database
def test_ctrl_c_stops_after_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_store, "CHUNK_ITEMS", {environment.DATABASE: 100})
    with pytest.raises(SystemExit) as stopped:
        seed_demo(items=500, stderr=Interrupting())
    assert stopped.value.code == 130
    assert 100 <= Item.objects.count() < 200
    assert kept() == counted()


def test_killed_it_leaves_whole_carts_and_right_counts(new_database: Callable[[], str]) -> None:
    url = new_database()
    command = [sys.executable, "manage.py", "seed_demo", "--items", "10000000", "--seed", "1"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, stderr=subprocess.DEVNULL
    )
    with process:
        try:
            wait_for(lambda: numbers(url, "SELECT count(*) FROM tracker_cart")[0], within_s=60)
        finally:
            process.kill()
    items = numbers(url, "SELECT count(*) FROM tracker_item")
    assert items == numbers(url, "SELECT sum(item_count) FROM tracker_cart")
    assert items == numbers(url, "SELECT sum(new_items) FROM tracker_tally")


def numbers(url: str, sql: str) -> list[int]:
    """The first row of another database than the tests' own."""
    path = url.removeprefix("sqlite:///")
    other: Any = psycopg2.connect(url) if path == url else sqlite3.connect(path, timeout=10)
    with closing(other), closing(other.cursor()) as cursor:
        cursor.execute(sql)
        return [int(number) for number in cursor.fetchone()]


@once
def test_a_product_id_is_never_read_as_something_else() -> None:
    """Neither as a cart's id nor as its code."""
    found = {item.product_id for cart in made(20_000) for item in cart.items}
    assert all(len(each) > 8 and not each.isalnum() for each in found)
    with pytest.raises(ValueError, match="badly formed"):
        UUID(min(found))
