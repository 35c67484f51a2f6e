"""The counts that triggers keep are those of the rows, whatever happened to these."""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracker.adds import Add, Record
from tracker.models import Cart, Item, Tally
from tracker.rows import erasure
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db

CARTS = [UUID(int=number, version=4) for number in range(1, 4)]
MINUTE = 60 * 10**9
START = int(datetime(2026, 11, 20, 23, 40, tzinfo=UTC).timestamp()) * 10**9

adds = st.builds(
    Add,
    cart_id=st.sampled_from(CARTS),
    product_id=st.sampled_from(["a", "b", "c"]),
    # SQLite keeps the sum as exactly, but Django reads 15 digits of it.
    price=st.sampled_from([None, 0, 1, 250, 10**12]),
)
records = st.builds(Record, adds, st.integers(0, 40).map(lambda n: START + n * MINUTE))


def bucket(time: datetime) -> datetime:
    return time.replace(minute=time.minute // 10 * 10, second=0, microsecond=0)


def counted() -> dict[datetime, list[int]]:
    """What the rows say, counted one by one."""
    tallies: dict[datetime, list[int]] = {}

    def count(time: datetime, place: int, number: int) -> None:
        tallies.setdefault(bucket(time), [0, 0, 0, 0])[place] += number

    for cart in Cart.objects.all():
        items = list(cart.items.all())
        value = sum(item.price or 0 for item in items)
        assert cart.item_count == len(items)
        assert cart.value == value
        count(cart.created_at, 0, 1)
        count(cart.updated_at, 2, 1)
        count(cart.updated_at, 3, value)
    for item in Item.objects.all():
        count(item.created_at, 1, 1)
    return tallies


def kept() -> dict[datetime, list[int]]:
    """What the tallies say, without what has come to nothing."""
    tallies: dict[datetime, list[int]] = {}
    for each in Tally.objects.all():
        found = tallies.setdefault(each.bucket, [0, 0, 0, 0])
        shares = (each.new_carts, each.new_items, each.seen_carts, int(each.seen_value))
        tallies[each.bucket] = [a + b for a, b in zip(found, shares, strict=True)]
    return {when: found for when, found in tallies.items() if any(found)}


@settings(
    max_examples=60 if os.environ.get("CI") else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=st.lists(st.lists(records, max_size=8), max_size=6), chance=st.randoms())
def test_tallies_are_exact_under_replay(
    db: None, history: list[list[Record]], chance: random.Random
) -> None:
    """Batches in any order, some of them twice, with erasures in between."""
    Cart.objects.all().delete()
    Tally.objects.all().delete()
    batches = history + chance.sample(history, len(history) // 2)
    chance.shuffle(batches)
    for batch in batches:
        store.merge(batch)
        assert kept() == counted()
    for cart in chance.sample(list(Cart.objects.all()), Cart.objects.count() // 2):
        Item.objects.filter(cart=cart).delete()
        assert kept() == counted()
        cart.delete()
        assert kept() == counted()


def test_a_replay_changes_no_count() -> None:
    batch = [Record(Add(CARTS[0], "a", price=5), START)]
    store.merge(batch)
    before = kept()
    store.merge(batch)
    assert kept() == before
    assert [sum(column) for column in zip(*before.values(), strict=True)] == [1, 1, 1, 5]


def test_what_people_change_by_hand_is_counted_too() -> None:
    store.merge([Record(Add(CARTS[0], "a", price=5), START)])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tracker_item SET price = 7")
    assert kept() == counted()
    assert Cart.objects.get().value == 7


def test_a_cart_of_the_highest_prices_has_a_value() -> None:
    """More than any integer of the database holds."""
    price = 2**53 - 1
    batch = [Record(Add(CARTS[0], f"p{n}", price=price), START + n) for n in range(1100)]
    store.merge(batch)
    cart = Cart.objects.get()
    assert cart.item_count == 1100
    if connection.vendor == "postgresql":
        assert cart.value == 1100 * price


def test_an_erased_cart_is_not_counted() -> None:
    for cart_id in CARTS:
        store.merge([Record(Add(cart_id, "a", price=5), START)])
    erasure.erase(CARTS[0])
    assert kept() == counted()
    assert Cart.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_every_connection_counts_in_rows_of_its_own() -> None:
    """Two that shared a shard would wait for each other, in whatever order they come to its rows.

    Their pids are more than there were shards to choose from.
    """
    connected = threading.Barrier(20)

    def merge(number: int) -> None:
        with transaction.atomic():
            store.merge([Record(Add(UUID(int=number), "a", price=5), START)])
            connected.wait(20)
        connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(merge, range(20)))
    assert Tally.objects.count() == 20
    assert kept() == counted()
