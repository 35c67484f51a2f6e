"""An erased cart against what waits: nothing that was accepted before brings it back."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections, transaction

from tests.rows.test_tallies import counted, kept
from tests.support.live import wait_for
from tests.support.valkey import Valkey
from tracker.adds import Add, Record
from tracker.intake import dead_letters as deadletters
from tracker.intake.contract import Source
from tracker.intake.drain import Drain, dead_letter, merge_or_dead_letter
from tracker.intake.record import load
from tracker.intake.selection import current_intake
from tracker.models import NEVER, Cart, DeadLetter, Item, Tombstone
from tracker.rows import erasure
from tracker.rows import merge as store

pytest_plugins = ["tests.support.streams"]

CART = UUID("6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10")
MINUTE_NS = 60 * 10**9


@pytest.fixture(params=["journal", "valkey"])
def shop(
    request: pytest.FixtureRequest, tmp_path: Path, settings: Any, add: Callable[..., Any]
) -> Iterator[Callable[..., None]]:
    """Sends an item to the cart, as a storefront does; it waits in the intake afterwards."""
    if request.param == "valkey":
        server: Valkey = request.getfixturevalue("valkey")
        settings.INTAKE_URL = server.url("claim_ms=100")
    else:
        settings.INTAKE_URL = f"journal://{tmp_path}/journal"

    def send(product_id: str, **members: Any) -> None:
        assert add(cart_id=str(CART), product_id=product_id, **members).status_code == 200

    yield send
    current_intake().close()


def source() -> Source:
    found = current_intake().source()
    assert found
    return found


def drain() -> None:
    opened = source()
    Drain(opened, threading.Event()).run_until_empty()
    opened.close()


def items() -> list[tuple[Any, ...]]:
    return list(Item.objects.order_by("product_id").values_list("product_id", "name", "price"))


@pytest.mark.django_db
def test_what_waits_is_dropped_when_it_is_drained(shop: Callable[..., None]) -> None:
    shop("a", name="before")
    drain()
    shop("b", name="before")
    shop("a", price=1)
    assert erasure.erase(CART) == (1, 1, 0)
    drain()
    assert not Cart.objects.exists()
    assert not Item.objects.exists()
    assert not DeadLetter.objects.exists()


@pytest.mark.django_db
def test_a_second_delivery_does_not_bring_it_back(shop: Callable[..., None]) -> None:
    """The drain died between its commit and its acknowledgement; the cart was erased since."""
    shop("a", name="before")
    died = source()
    batch = died.read(100)
    assert batch
    merge_or_dead_letter(batch.records)
    died.close()
    assert erasure.erase(CART) == (1, 1, 0)
    drain()
    assert not Cart.objects.exists()


@pytest.mark.django_db
def test_what_is_sent_afterwards_starts_it_afresh(shop: Callable[..., None]) -> None:
    shop("a", name="before", price=1)
    drain()
    erasure.erase(CART)
    shop("a", price=7)
    drain()
    assert items() == [("a", None, 7)]


@pytest.mark.django_db
def test_what_is_sent_afterwards_may_share_a_batch_with_what_waited(
    shop: Callable[..., None],
) -> None:
    shop("a", name="before", price=1)
    shop("b", name="before")
    erasure.erase(CART)
    shop("a", price=7)
    reader = source()
    batch = reader.read(100)
    assert batch
    assert len(batch.records) == 3
    merge_or_dead_letter(batch.records)
    reader.acknowledge(batch)
    reader.close()
    assert items() == [("a", None, 7)]
    erased = Tombstone.objects.get()
    assert Item.objects.get().created_at > erased.created_at
    assert Cart.objects.get().created_at > erased.created_at


@pytest.mark.django_db
def test_a_bad_record_that_waits_becomes_no_dead_letter(shop: Callable[..., None]) -> None:
    """It would be kept, with all that it says, for as long as nobody looks."""
    shop("a", name="before", price=1)
    reader = source()
    batch = reader.read(100)
    assert batch
    bad = [Record(Add(CART, "a", "before", -1), record.version) for record in batch.records]
    erasure.erase(CART)
    merge_or_dead_letter(bad)
    reader.close()
    assert not DeadLetter.objects.exists()


@pytest.mark.django_db
def test_a_record_that_was_refused_before_is_not_kept_afterwards() -> None:
    """The drain has tried to merge it; the cart is erased; the drain comes to keep it aside."""
    erasure.erase(CART)
    dead_letter(old("a"), ValueError("refused"))
    assert not DeadLetter.objects.exists()
    later = Record(Add(CART, "a", price=-1), time.time_ns() + MINUTE_NS)
    dead_letter(later, ValueError("refused"))
    assert DeadLetter.objects.count() == 1


@pytest.mark.django_db
def test_what_is_left_out_counts_as_unchanged() -> None:
    erasure.erase(CART)
    assert store.merge([old("a"), old("b"), old("a", cart_id=uuid4())]) == (1, 0, 2)


@pytest.mark.django_db
def test_a_dead_letter_that_somebody_still_holds_makes_nothing() -> None:
    dead_letter(old("a"), ValueError("refused"))
    letter = DeadLetter.objects.get()
    assert erasure.erase(CART) == (0, 0, 1)
    assert deadletters.replay(letter) is deadletters.Result.GONE
    assert not Cart.objects.exists()


@pytest.mark.django_db
def test_a_dead_letter_that_comes_from_a_backup_is_settled_without_a_row() -> None:
    dead_letter(old("a"), ValueError("refused"))
    letter = DeadLetter.objects.get()
    erasure.erase(CART)
    letter.save(force_insert=True)
    assert load(letter.record.encode()).add.cart_id == CART
    assert deadletters.replay(letter) is deadletters.Result.REPLAYED
    assert not Cart.objects.exists()
    assert not DeadLetter.objects.exists()


def old(product_id: str, *, cart_id: UUID = CART, minutes: float = 60) -> Record:
    version = time.time_ns() - int(minutes * MINUTE_NS)
    return Record(Add(cart_id, product_id, "before", 1), version)


# -- At the same time ------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_an_erasure_waits_for_a_merge_that_has_not_seen_it() -> None:
    """What is not committed yet can't be deleted; it would be there a moment later."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            store.merge([old("a")])
            erasing = pool.submit(erasure.erase, CART)
            wait_for(lambda: erasing.done() or waits_for_a_lock())
        assert erasing.result(10) == (1, 1, 0)
        pool.submit(connections.close_all).result()
    assert not Cart.objects.exists()


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone() is not None


class Storm:
    """Drains that merge the same old batches over and over, and a shopper that goes on adding.

    `until` is when they end; each of them goes through everything once more then.
    """

    def __init__(self, seed: int, cart_id: UUID) -> None:
        self.until = threading.Event()
        self.begun = threading.Barrier(4)  # Three of these, and who starts them.
        self._chance = random.Random(seed)
        self._cart_id = cart_id
        self.others = [uuid4() for _ in range(3)]
        self.batches = [self._batch() for _ in range(8)]

    def _batch(self) -> list[Record]:
        """Of many ten minutes, as a backlog is."""
        chance = self._chance
        return [
            old(
                f"sku-{chance.randrange(30)}",
                cart_id=chance.choice([self._cart_id, *self.others]),
                minutes=chance.uniform(1, 600),
            )
            for _ in range(40)
        ]

    def drain(self, seed: int) -> None:
        chance = random.Random(seed)
        self._repeat(lambda: store.merge(chance.choice(self.batches)))
        for batch in self.batches:
            store.merge(batch)
        connections.close_all()

    def add(self, seed: int) -> None:
        chance = random.Random(seed)
        self._repeat(lambda: store.merge([self._new(f"sku-{chance.randrange(30)}")]))
        connections.close_all()

    def _new(self, product_id: str) -> Record:
        return Record(Add(self._cart_id, product_id, "after"), time.time_ns())

    def _repeat(self, action: Callable[[], Any]) -> None:
        action()
        self.begun.wait(60)
        while not self.until.is_set():
            action()


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
@pytest.mark.parametrize("seed", range(30 if os.environ.get("CI") else 6))
def test_drains_at_work_do_not_keep_anything_of_before(seed: int) -> None:
    """And nobody's locks are in anybody's way: no error ends one of them."""
    chance, cart_id = random.Random(seed), uuid4()
    storm = Storm(seed, cart_id)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(storm.drain, seed + number) for number in (1000, 2000)]
        running.append(pool.submit(storm.add, seed))
        try:
            storm.begun.wait(60)
            for _ in range(chance.randrange(6)):
                store.merge(chance.choice(storm.batches))
            erasure.erase(cart_id)
        finally:
            storm.until.set()
        for each in running:
            each.result(60)
    erased = Tombstone.objects.get(cart_id=cart_id)
    at = erasure.moment(erased.version)
    for item in Item.objects.select_related("cart").filter(cart_id=cart_id):
        assert (item.name, item.price, item.price_version) == ("after", None, NEVER)
        assert min(item.created_at, item.cart.created_at) > at
    adds = [record.add for batch in storm.batches for record in batch]
    sent = {(add.cart_id, add.product_id) for add in adds}
    stored = set(Item.objects.exclude(cart_id=cart_id).values_list("cart_id", "product_id"))
    assert stored == {(cart, product) for cart, product in sent if cart != cart_id}
    assert kept() == counted()
