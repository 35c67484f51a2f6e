"""The merge: order, repetition and concurrency do not matter (R20, R22)."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, connections
from msgspec import UNSET

from tests.support.load import FULL_LENGTH
from tracker.adds import Add, Record
from tracker.cart_ids import item_id
from tracker.intake.contract import Backlog, Batch
from tracker.intake.drain import Drain
from tracker.models import NEVER, Cart, Item
from tracker.rows import merge as store

CART = UUID("6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10")
NOON = 1_800_000_000_000_000_000  # Nanoseconds since 1970.
HISTORIES = 200 if FULL_LENGTH else 40


def record(version: int | None, *, cart_id: UUID = CART, sku: str = "sku", **sent: Any) -> Record:
    return Record(Add(cart_id, sku, sent.get("name", UNSET), sent.get("price", UNSET)), version)


def rows() -> list[tuple[Any, ...]]:
    fields = ("cart", "product_id", "name", "name_version", "price", "price_version")
    times = ("created_at", "updated_at", "cart__created_at", "cart__updated_at")
    return sorted(Item.objects.values_list(*fields, *times), key=str)


@pytest.mark.django_db
def test_an_add_makes_the_cart_and_the_item() -> None:
    """R20"""
    store.merge([record(NOON, name="Socks", price=5)])
    item = Item.objects.select_related("cart").get()
    assert (item.id, item.cart.id) == (item_id(CART, "sku"), CART)
    assert (item.name, item.price) == ("Socks", 5)
    assert item.created_at == item.updated_at == item.cart.created_at == item.cart.updated_at
    assert item.created_at.timestamp() == NOON / 1e9


@pytest.mark.django_db
def test_times_keep_their_microseconds() -> None:
    store.merge([record(NOON + 123_456_789)])
    assert Item.objects.get().updated_at.microsecond == 123_456


@pytest.mark.django_db
def test_each_field_keeps_its_newest_value() -> None:
    """R21, R22"""
    store.merge([record(NOON, name="old", price=1)])
    store.merge([record(NOON + 2, name=None)])
    store.merge([record(NOON + 1, name="between", price=2)])
    item = Item.objects.get()
    assert (item.name, item.name_version) == (None, NOON + 2)
    assert (item.price, item.price_version) == (2, NOON + 1)


@pytest.mark.django_db
def test_a_field_that_was_never_sent_loses_against_any_that_was() -> None:
    """R21"""
    store.merge([record(NOON)])
    assert Item.objects.get().name_version == NEVER
    store.merge([record(1, name="Socks")])
    assert Item.objects.get().name == "Socks"


def history(chance: random.Random, *, length: int = 30, shop: int = 0) -> list[Record]:
    """Partial updates of a few items in a shop's few carts, every one with a version of its own."""
    values: list[Any] = ["a", "b", None, UNSET]
    return [
        record(
            NOON + number,
            cart_id=UUID(int=shop << 8 | chance.randrange(1, 4)),
            sku=f"sku-{chance.randrange(3)}",
            name=chance.choice(values),
            price=chance.choice([0, 7, None, UNSET]),
        )
        for number in range(chance.randrange(1, length))
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(40 if FULL_LENGTH else 10))
def test_order_batches_and_repetition_do_not_matter(seed: int) -> None:
    """R22: the same accepted requests in any order, any number of times, give the same rows."""
    chance = random.Random(seed)
    records = history(chance)
    for each in records:
        store.merge([each])
    expected = rows()
    Cart.objects.all().delete()
    shuffled = records + chance.choices(records, k=10)
    chance.shuffle(shuffled)
    while shuffled:
        size = chance.randrange(1, 8)
        store.merge(shuffled[:size])
        del shuffled[:size]
    assert rows() == expected


class Shuffled:
    """A source that gives one drain its half of each history, shuffled, some of it twice.

    Every record goes to two of the four drains.
    """

    def __init__(self, drain: int, histories: list[list[Record]]) -> None:
        self._chance = random.Random(drain)
        self._histories = [
            [record for place, record in enumerate(records) if (place + drain) % 4 < 2]
            for records in histories
        ]
        self._waiting: list[Record] = []

    def read(self, max_records: int) -> Batch | None:
        if not self._waiting and self._histories:
            mine = self._histories.pop()
            self._waiting = mine + mine[: self._chance.randrange(6)]
            self._chance.shuffle(self._waiting)
        size = self._chance.randrange(1, 12)
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        return Batch(batch, True, None) if batch or self._histories else None

    def acknowledge(self, batch: Batch) -> None: ...

    def backlog(self) -> Backlog:
        raise NotImplementedError

    def is_empty(self) -> bool:
        return True

    def close(self) -> None: ...


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120)
def test_four_drains_at_once_come_to_the_sequential_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """R22: many histories, all of each record's deliveries in no order."""
    caplog.set_level(
        "WARNING", "tracker.intake.drain"
    )  # Not a line for each of thousands of batches.
    histories = [history(random.Random(seed), shop=seed) for seed in range(HISTORIES)]
    for records in histories:
        for each in records:
            store.merge([each])
    in_order = rows()
    Cart.objects.all().delete()

    def drain(number: int) -> None:
        Drain(Shuffled(number, histories), threading.Event()).run_until_empty()
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(drain, range(4)))
    assert rows() == in_order


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_overlapping_batches_do_not_deadlock() -> None:
    """R22: sorted by key, batches can't wait for each other. (SQLite has one writer.)"""
    records = history(random.Random(1), length=3000)

    def merge_all(seed: int) -> None:
        mine = random.Random(seed).sample(records, len(records))
        for start in range(0, len(mine), 25):
            store.merge(mine[start : start + 25])
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(merge_all, range(4)))


def test_a_batch_takes_its_locks_in_the_order_of_the_keys() -> None:
    """R22: unsorted, two batches that overlap wait for each other now and then."""
    rows = store.fold(history(random.Random(2), length=500))
    for keys in ([row.id for row in rows], [cart.id for cart in store._carts(rows)]):
        assert len(keys) > 1
        assert keys == sorted(keys)


@pytest.mark.django_db
def test_a_direct_write_comes_after_all_that_is_stored() -> None:
    """R22, with a stored version far in the future, as if the clock had been set back since."""
    future = NOON * 4
    store.merge([record(future, name="before", price=1)])
    store.merge([record(None, name="after")])
    item = Item.objects.get()
    assert (item.name, item.name_version) == ("after", future + 1)
    assert (item.price, item.price_version) == (1, future)


@pytest.mark.parametrize(
    "", [pytest.param(marks=pytest.mark.django_db(transaction=alone)) for alone in (True, False)]
)
def test_a_batch_is_stored_whole_or_not_at_all() -> None:
    """R23 for the store: a failing item leaves no cart behind, in a transaction or alone."""
    store.merge([record(NOON)])
    bad = record(NOON, cart_id=uuid4(), price=-1)
    with pytest.raises(DatabaseError):
        store.merge([record(NOON, cart_id=uuid4()), bad])
    assert [cart.id for cart in Cart.objects.all()] == [CART]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [1, 50])
def test_one_message_to_postgresql_whatever_the_size(
    size: int, django_assert_num_queries: Any
) -> None:
    batch = [record(NOON + number, sku=f"sku-{number}") for number in range(size)]
    begin, carts, count, items, commit = 1, 1, 1, 1, 1
    on_sqlite = begin + carts + count + items + commit
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else on_sqlite):
        store.merge(batch)
    assert Item.objects.count() == size


@pytest.mark.django_db
def test_it_tells_what_it_did_to_the_rows() -> None:
    first = [record(NOON, sku="a", price=1), record(NOON, sku="b")]
    assert store.merge(first) == (2, 0, 0)
    assert store.merge(first) == (0, 0, 2)
    assert store.merge([record(NOON + 1000, sku="b"), record(NOON, sku="c"), first[0]]) == (1, 1, 1)
    assert store.merge(
        [record(None, sku="a", price=2), record(None, sku="d", cart_id=uuid4())]
    ) == (1, 1, 0)


@pytest.mark.django_db
def test_an_empty_batch_asks_nothing_of_the_database(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        store.merge([])


@pytest.mark.django_db
def test_direct_writes_of_one_group_are_folded_in_their_order() -> None:
    """R21, R22: what was not sent stays, and what is stored is older, whatever its version says."""
    future = NOON * 4
    store.merge([record(future, name="before", price=1)])
    store.merge(
        [
            record(None, name="first", price=2),
            record(None, sku="b", price=9),
            record(None, price=None),
            record(None, name="last"),
            record(None, sku="b"),
        ]
    )
    items = {item.product_id: item for item in Item.objects.all()}
    item = items.pop("sku")
    assert (item.name, item.price) == ("last", None)
    assert item.name_version == item.price_version == future + 1
    assert [(other.name, other.price) for other in items.values()] == [(None, 9)]


@pytest.mark.parametrize("sku", ["sku", "b"], ids=["one item", "one cart"])
def test_an_add_with_a_version_and_one_without_have_no_order(sku: str) -> None:
    with pytest.raises(ValueError, match="need versions"):
        store._carts(store.fold([record(None), record(NOON, sku=sku)]))


@pytest.mark.django_db
def test_an_item_that_is_made_by_hand_gets_the_computed_key() -> None:
    cart = Cart.objects.create()
    Item.objects.create(cart=cart, product_id="sku")
    store.merge([record(None, cart_id=cart.id, price=5)])
    assert Item.objects.get().price == 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_a_statement_that_waits_too_long_is_given_up() -> None:
    """R32"""
    store.merge([record(NOON)])
    with ThreadPoolExecutor(1) as pool:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE tracker_item")
            waiting = pool.submit(store.merge, [record(None)], timeout_ms=100)
            with pytest.raises(DatabaseError, match="statement timeout"):
                waiting.result(5)
            cursor.execute("ROLLBACK")
        pool.submit(connections.close_all).result()
