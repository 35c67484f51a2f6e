"""An erased cart does not come back from what was accepted before; a new add makes it anew."""

import itertools
import random
import time
from uuid import UUID, uuid4

import pytest
from msgspec import UNSET

from tracker.adds import Add, Record
from tracker.intake.drain import dead_letter
from tracker.models import Cart, DeadLetter, Item, Tombstone
from tracker.rows import erasure
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db


def old(cart_id: UUID, product_id: str = "a", **members: object) -> Record:
    """An add of an hour ago."""
    members = {"name": "before", "price": 1} | members
    return Record(Add(cart_id, product_id, **members), time.time_ns() - 3600 * 10**9)  # type: ignore[arg-type]


def new(cart_id: UUID, product_id: str = "a", **members: object) -> Record:
    """An add of right after now."""
    return Record(Add(cart_id, product_id, **members), time.time_ns() + 10**9)  # type: ignore[arg-type]


def test_all_of_a_cart_is_gone_and_the_others_stay() -> None:
    cart_id, other = uuid4(), uuid4()
    store.merge([old(cart_id, f"p{number}") for number in range(2500)] + [old(other)])
    dead_letter(old(cart_id), ValueError("no row"))
    dead_letter(old(other), ValueError("no row"))
    assert erasure.erase(cart_id) == (1, 2500, 1)
    assert [cart.id for cart in Cart.objects.all()] == [other]
    assert Item.objects.count() == DeadLetter.objects.count() == 1
    assert erasure.erase(cart_id) == (0, 0, 0)


def test_what_waited_does_not_bring_it_back() -> None:
    cart_id = uuid4()
    backlog = [old(cart_id), old(cart_id, "b"), old(uuid4())]
    store.merge(backlog)
    erasure.erase(cart_id)
    store.merge(backlog)
    assert Cart.objects.count() == Item.objects.count() == 1
    assert not Cart.objects.filter(id=cart_id).exists()


def test_a_cart_that_was_never_drained_can_be_erased() -> None:
    cart_id = uuid4()
    waiting = old(cart_id)
    erasure.erase(cart_id)
    store.merge([waiting])
    assert not Cart.objects.exists()


def test_a_new_add_starts_it_afresh() -> None:
    """Whichever way old and new come: in one batch, or one after the other in either order."""
    shape = []
    for order in itertools.permutations(("old", "new")):
        for together in (True, False):
            cart_id = uuid4()
            made = {"old": old(cart_id), "new": None}
            erasure.erase(cart_id)
            made["new"] = new(cart_id, price=7)
            records = [record for name in order if (record := made[name])]
            for batch in [records] if together else [[each] for each in records]:
                store.merge(batch)
            item = Item.objects.get(cart_id=cart_id)
            shape.append((item.name, item.price, item.name_version))
            erased = Tombstone.objects.get(cart_id=cart_id)
            assert item.created_at > erased.created_at
            assert item.cart.created_at > erased.created_at
    assert set(shape) == {(None, 7, -1)}


def test_a_direct_write_starts_it_afresh() -> None:
    cart_id = uuid4()
    store.merge([old(cart_id)])
    erasure.erase(cart_id)
    store.merge([Record(Add(cart_id, "a", UNSET, 7), None)])
    assert Item.objects.get().price == 7


def test_an_add_during_the_erasure_keeps_nothing_of_before() -> None:
    cart_id = uuid4()
    store.merge([old(cart_id), old(cart_id, "b")])
    version = erasure.put_tombstone(cart_id)
    store.merge([new(cart_id, price=7)])
    assert erasure.delete(cart_id, until=version) == (0, 1, 0)
    item = Item.objects.get()
    assert (item.product_id, item.name, item.price) == ("a", None, 7)
    assert item.created_at > erasure.moment(version)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_replays_does_not_matter(seed: int) -> None:
    chance = random.Random(seed)
    cart_id = uuid4()
    before = [old(cart_id, chance.choice("ab"), price=n) for n in range(4)]
    erasure.erase(cart_id)
    after = [new(cart_id, chance.choice("ab"), name=str(n)) for n in range(4)]
    rows = set()
    for _ in range(4):
        records = before + after + chance.sample(before + after, 3)
        chance.shuffle(records)
        while records:
            size = chance.randint(1, 4)
            store.merge(records[:size])
            del records[:size]
        rows.add(frozenset(Item.objects.values_list("product_id", "name", "price")))
        Item.objects.all().delete()
        Cart.objects.all().delete()
    assert len(rows) == 1
    assert all(price is None for _, _, price in rows.pop())
