"""A made-up shop's carts, as many as wanted, as its shoppers would have filled them.

Nothing here knows a database: tracker/demo_store.py makes rows of them.
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from random import Random
from typing import NamedTuple
from uuid import UUID

from tracker.demo_catalogue import Product, catalogue, popularity
from tracker.models import NEVER
from tracker.times import from_us, to_us

LARGEST_CART_ITEMS = 20_000
# From so many items on, one cart is of the largest kind.
LARGEST_CART_FROM = 100_000

_SECOND_US = 10**6
_SLOT_US = 600 * _SECOND_US
_SLOTS_PER_DAY = 144

# How many of 100 carts hold 1, 2, ... 12 items.
_SIZES = tuple(accumulate((24, 18, 14, 11, 8, 6, 5, 4, 3.5, 2.5, 2, 2)))
_LARGE_SHARE, _LARGE_SIZES = 1 / 3000, (50, 400)
_SHARE_COMING_BACK, _SHARE_ADDED_AGAIN = 0.12, 0.15
_SHARE_NOT_SENT, _SHARE_CLEARED, _SHARE_REDUCED = 0.02, 0.01, 0.1

# How busy a shop is, from midnight on by the hour (UTC), and from Monday on by the day.
_HOURS = (5, 3, 2, 1, 1, 2, 5, 9, 13, 17, 20, 22, 25, 24, 22, 21, 23, 27, 36, 50, 62, 58, 38, 16)
_DAYS = (10, 9, 9, 9, 8, 11, 14)
# A newsletter goes out, somebody shows it on television: ten minutes of many times as much.
_BURSTS_PER_DAY, _BURST = 1.5, 8
# Few items are enough for carts of the last two hours, and of the last day.
_RECENT = ((12, 40, 0.1), (_SLOTS_PER_DAY, 100, 0.2))


class DemoItem(NamedTuple):
    """An item's row but for its keys. Versions as in tracker/store.py, times in µs since 1970."""

    product_id: str
    name: str | None
    name_version: int
    price: int | None
    price_version: int
    created_us: int
    updated_us: int


class DemoCart(NamedTuple):
    """Never empty. `items` in the order in which they were first added."""

    id: UUID
    items: list[DemoItem]


def carts(items: int, *, seed: int, now: datetime, days: int = 30) -> Iterator[DemoCart]:
    """Carts that hold so many items together, in the order of their first activity.

    The same for the same arguments. Another `now` moves the times, and changes nothing else. The
    first cart of a seed has the same id, however many follow.
    """
    chance = Random(seed)  # noqa: S311  Nothing secret.
    largest = LARGEST_CART_ITEMS if items >= LARGEST_CART_FROM else 0
    ordinary = items - largest
    timeline = _Timeline(ordinary, seed=seed, now=now, days=days)
    made = 0
    while made < ordinary:
        begin_us = timeline.at(made / ordinary)
        if largest and made >= ordinary // 2:
            yield _cart(chance, largest, begin_us=begin_us, end_us=timeline.end_us)
            largest = 0
        size = min(_size(chance), ordinary - made)
        yield _cart(chance, size, begin_us=begin_us, end_us=timeline.end_us)
        made += size


class _Timeline:
    """When carts begin: in a shop's rhythm, and never in the last minute before now."""

    def __init__(self, items: int, *, seed: int, now: datetime, days: int) -> None:
        self.end_us = to_us(now)
        slots = days * _SLOTS_PER_DAY
        self._begin_us = self.end_us - 60 * _SECOND_US - slots * _SLOT_US
        weights = [self._busy(from_us(self._begin_us + slot * _SLOT_US)) for slot in range(slots)]
        chance = Random(f"bursts of {seed}")  # noqa: S311  Nothing secret.
        for slot in chance.choices(range(slots), k=int(days * _BURSTS_PER_DAY)):
            weights[slot] *= _BURST
        for last, wanted, most in _RECENT:
            share = min(most, wanted / items)
            weights[-last:] = _raised(weights[-last:], share * sum(weights))
        self._ends = list(accumulate(weights))

    @staticmethod
    def _busy(when: datetime) -> float:
        return _HOURS[when.hour] * _DAYS[when.weekday()]

    def at(self, share: float) -> int:
        """When the first so large share of all items is there: from 0 to less than 1, in µs."""
        wanted = share * self._ends[-1]
        slot = bisect_left(self._ends, wanted)
        begin = self._ends[slot - 1] if slot else 0
        part = (wanted - begin) / (self._ends[slot] - begin)
        return self._begin_us + int((slot + part) * _SLOT_US)


def _raised(weights: list[float], least: float) -> list[float]:
    """The same rhythm, with a sum of at least that."""
    factor = max(1.0, least / sum(weights))
    return [weight * factor for weight in weights]


def _size(chance: Random) -> int:
    if chance.random() < _LARGE_SHARE:
        return chance.randint(*_LARGE_SIZES)
    return 1 + bisect_left(_SIZES, chance.random() * _SIZES[-1])


def _cart(chance: Random, size: int, *, begin_us: int, end_us: int) -> DemoCart:
    """What is random must not depend on the times: these differ by when it is called."""
    cart_id = UUID(int=chance.getrandbits(128), version=4)
    comes_back = chance.random() < _SHARE_COMING_BACK
    back_at, back_us = chance.randrange(size), int(chance.expovariate(1) * 86_400 * _SECOND_US)
    pause_s = 80 if size <= len(_SIZES) else 2
    added_us, items = begin_us, []
    for place, product in enumerate(_chosen(chance, size)):
        gap_us = int(chance.expovariate(1 / pause_s) * _SECOND_US) + 1
        if comes_back and place == back_at:
            gap_us += back_us
        added_us = _later(added_us, gap_us, end_us)
        items.append(_item(chance, product, added_us, end_us))
    return DemoCart(cart_id, items)


def _chosen(chance: Random, size: int) -> list[Product]:
    """Different ones, the popular ones more often."""
    if size > LARGEST_CART_ITEMS // 2:
        return chance.sample(catalogue(), size)
    found: dict[Product, None] = {}
    while len(found) < size:
        more = chance.choices(catalogue(), cum_weights=popularity(), k=size - len(found))
        found.update(dict.fromkeys(more))
    return list(found)


def _later(time_us: int, gap_us: int, end_us: int) -> int:
    """After the gap; right away, if that would be in the future."""
    later_us = time_us + gap_us
    return later_us if later_us < end_us else time_us + 1


def _item(chance: Random, product: Product, created_us: int, end_us: int) -> DemoItem:
    """Added once or again: then with everything, or with its price alone."""
    again, reduced, fraction_ns = chance.random(), chance.random(), chance.randrange(1000)
    name_as, price_as = chance.random(), chance.random()
    gap_us = int(chance.expovariate(1 / 600) * _SECOND_US) + 1
    updated_us = _later(created_us, gap_us, end_us) if again < _SHARE_ADDED_AGAIN else created_us
    name_us = updated_us if again < _SHARE_ADDED_AGAIN / 2 else created_us
    price = product.price * 9 // 10 if reduced < _SHARE_REDUCED else product.price
    return DemoItem(
        product.id,
        product.name if name_as >= _SHARE_NOT_SENT + _SHARE_CLEARED else None,
        name_us * 1000 + fraction_ns if name_as >= _SHARE_NOT_SENT else NEVER,
        price if price_as >= _SHARE_NOT_SENT + _SHARE_CLEARED else None,
        updated_us * 1000 + fraction_ns if price_as >= _SHARE_NOT_SENT else NEVER,
        created_us,
        updated_us,
    )
