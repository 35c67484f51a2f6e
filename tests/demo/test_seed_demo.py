"""manage.py seed_demo: the adds of a made-up shop, through the merge."""

import io
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from msgspec import UNSET

from tests.rows.test_tallies import counted, kept
from tracker.adds import Record
from tracker.demo.carts import LARGEST_CART_ITEMS, records
from tracker.management.commands import seed_demo as command
from tracker.models import NEVER, Cart, Item
from tracker.rows.merge import Outcome, merge
from tracker.rows.times import from_us

NOW = datetime(2026, 11, 23, 19, 30, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
HOUR_NS = 3600 * 10**9
sqlite = pytest.mark.sqlite
on_a_database = pytest.mark.django_db


def made(items: int, *, seed: int = 1, now: datetime = NOW) -> list[Record]:
    return list(records(items, seed=seed, now=now))


class MadeCart(NamedTuple):
    """`versions` has one entry for each add, `products` one for each item."""

    versions: list[int]
    products: set[str]


def by_cart(found: list[Record]) -> dict[UUID, MadeCart]:
    carts: dict[UUID, MadeCart] = defaultdict(lambda: MadeCart([], set()))
    for add, version in found:
        assert version is not None
        carts[add.cart_id].versions.append(version)
        carts[add.cart_id].products.add(add.product_id)
    return carts


# -- The adds --------------------------------------------------------------------------------------
@sqlite
def test_a_seed_makes_the_same_adds_and_another_seed_other_carts() -> None:
    assert made(2000) == made(2000)
    assert not by_cart(made(2000)).keys() & by_cart(made(2000, seed=2)).keys()


@sqlite
def test_another_now_changes_only_the_times() -> None:
    def adds(records: list[Record]) -> Counter[tuple[Any, ...]]:
        """The adds without the time in their cart's id, its first 48 bits."""
        return Counter(
            (add.cart_id.int % 2**80, add.product_id, add.name, add.price) for add, _ in records
        )

    assert adds(made(2000, now=NOW + timedelta(hours=11))) == adds(made(2000))


@sqlite
def test_carts_have_ids_of_the_time_at_which_they_were_made() -> None:
    for cart_id, cart in by_cart(made(2000)).items():
        assert cart_id.version == 7
        assert cart_id.int >> 80 == min(cart.versions) // 10**6


@sqlite
@pytest.mark.parametrize("items", [1, 2, 7, 1000])
def test_there_are_as_many_items_as_asked_for(items: int) -> None:
    assert len({(add.cart_id, add.product_id) for add, _ in made(items)}) == items


@sqlite
def test_most_carts_are_small_and_one_of_many_is_huge() -> None:
    sizes = Counter(len(cart.products) for cart in by_cart(made(100_000)).values())
    assert sum(sizes.values()) * 0.99 < sum(sizes[size] for size in range(1, 13))
    assert all(sizes[size] for size in range(1, 13))
    assert sizes[LARGEST_CART_ITEMS] == 1
    assert max(len(cart.products) for cart in by_cart(made(10_000)).values()) < LARGEST_CART_ITEMS


@sqlite
def test_a_few_products_are_in_many_carts_and_most_in_few() -> None:
    carts = by_cart(made(20_000))
    products = Counter(product for cart in carts.values() for product in cart.products)
    assert products.most_common(1)[0][1] > len(carts) / 20
    assert sum(1 for number in products.values() if number == 1) > len(products) / 3


@sqlite
@pytest.mark.parametrize("items", [300, 100_000])
def test_times_are_in_order_and_not_in_the_future(items: int) -> None:
    versions = [version or 0 for _, version in made(items)]
    assert versions == sorted(versions)
    assert NOW - timedelta(days=30, minutes=2) <= from_us(versions[0] // 1000)
    assert versions[-1] <= NOW_NS


@sqlite
@pytest.mark.parametrize("items", [300, 100_000])
def test_some_carts_are_active_and_some_are_of_the_last_day(items: int) -> None:
    last = [max(cart.versions) for cart in by_cart(made(items)).values()]
    active = sum(version >= NOW_NS - 2 * HOUR_NS for version in last)
    recent = sum(version >= NOW_NS - 24 * HOUR_NS for version in last)
    assert 2 < active < recent < len(last) / 2


@sqlite
def test_evenings_are_busier_than_nights() -> None:
    carts = by_cart(made(20_000)).values()
    hours = Counter(from_us(min(cart.versions) // 1000).hour for cart in carts)
    assert hours[20] > 5 * hours[3] > 0


@sqlite
def test_some_members_are_not_sent_and_some_are_null() -> None:
    adds = [add for add, _ in made(5000)]
    for members in ([add.name for add in adds], [add.price for add in adds]):
        assert UNSET in members
        assert None in members
        assert sum(member in (UNSET, None) for member in members) < 0.12 * len(adds)


@sqlite
def test_some_items_are_added_again_and_some_of_them_at_a_lower_price() -> None:
    prices: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for add, _ in made(5000):
        prices[add.cart_id, add.product_id].append(add.price)
    again = [each for each in prices.values() if len(each) > 1]
    known = [each for each in again if UNSET not in each and None not in each]
    assert 500 < len(again) < 1000
    assert 100 < sum(later < first for first, later in known) < 500


@sqlite
def test_a_product_id_is_never_read_as_something_else() -> None:
    """Searches take neither a cart's id nor its code for a product id."""
    found = {add.product_id for add, _ in made(20_000)}
    assert all(len(each) > 8 and not each.isalnum() for each in found)
    with pytest.raises(ValueError, match="badly formed"):
        UUID(min(found))


# -- The command -----------------------------------------------------------------------------------
def seed_demo(*args: str, items: int = 200) -> str:
    out = io.StringIO()
    call_command("seed_demo", f"--items={items}", *args, stdout=out)
    return out.getvalue()


@on_a_database
def test_rows_and_counts_are_those_of_the_adds() -> None:
    assert seed_demo("--seed=5", f"--until={NOW.isoformat()}", items=1234) == (
        "Stored 1,234 new items.\n"
    )
    assert Item.objects.count() == 1234
    assert set(Cart.objects.values_list("id", flat=True)) == by_cart(made(1234, seed=5)).keys()
    assert kept() == counted()
    assert len(kept()) > 100


@on_a_database
def test_rows_have_the_times_and_versions_of_their_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    seed_demo()
    found = made(200)
    for cart_id, cart in by_cart(found).items():
        row = Cart.objects.get(id=cart_id)
        assert row.created_at == from_us(cart.versions[0] // 1000)
        assert row.updated_at == from_us(cart.versions[-1] // 1000)
    for item in Item.objects.all():
        sent = [
            (add, version or 0)
            for add, version in found
            if (add.cart_id, add.product_id) == (item.cart_id, item.product_id)
        ]
        versions = [version for _, version in sent]
        assert item.created_at == from_us(versions[0] // 1000)
        assert item.updated_at == from_us(versions[-1] // 1000)
        names = [version for add, version in sent if add.name is not UNSET]
        prices = [version for add, version in sent if add.price is not UNSET]
        assert item.name_version == max(names, default=NEVER)
        assert item.price_version == max(prices, default=NEVER)


@on_a_database
def test_it_refuses_a_database_with_carts_unless_forced() -> None:
    Cart.objects.create()
    with pytest.raises(CommandError, match="use an empty database, or --force"):
        seed_demo()
    assert Cart.objects.count() == 1
    seed_demo("--force")
    assert Item.objects.count() == 200


@on_a_database
@pytest.mark.parametrize("wrong", [["--items=0"], ["--days=0"], ["--days=99999"]])
def test_numbers_without_sense_are_refused(wrong: list[str]) -> None:
    with pytest.raises(CommandError, match=r"must be"):
        seed_demo(*wrong)
    assert not Cart.objects.exists()


@on_a_database
@pytest.mark.parametrize(
    ("failure", "message", "code"),
    [
        (KeyboardInterrupt, "^Stopped.\nTo store the rest, add --force --until ", 130),
        (DatabaseError("disk full\nat row 5"), "^disk full\nTo store the rest, add --force", 1),
    ],
)
def test_after_a_stop_the_command_that_it_prints_stores_the_rest(
    monkeypatch: pytest.MonkeyPatch, failure: Any, message: str, code: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(command, "BATCH", 100)
        patched.setattr(command, "merge", fails_at_the_third_batch(failure))
        with pytest.raises(CommandError, match=message) as stopped:
            seed_demo(items=500)
    assert stopped.value.returncode == code
    stored = Item.objects.count()
    assert 100 < stored <= 200
    assert kept() == counted()
    rest = str(stopped.value).partition(", add ")[2].split()
    assert seed_demo(*rest, items=500) == f"Stored {500 - stored} new items.\n"
    assert seed_demo(*rest, items=500) == "Stored 0 new items.\n"
    assert kept() == counted()


def fails_at_the_third_batch(failure: Any) -> Any:
    batches = 0

    def merge_or_fail(batch: list[Record]) -> Outcome:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise failure
        return merge(batch)

    return merge_or_fail
