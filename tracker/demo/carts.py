"""The adds of a made-up shop, any number of them, as its shoppers would have sent them."""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime
from heapq import heappop, heappush
from itertools import accumulate, count
from random import Random
from typing import TypeVar
from uuid import UUID

from msgspec import UNSET, UnsetType

from tracker.adds import Add, Record
from tracker.cart_ids import cart_id_at
from tracker.demo.catalogue import Product, catalogue, popularity
from tracker.rows.times import from_us, to_us

LARGEST_CART_ITEMS = 20_000
# With this many items or more, one cart has the largest size.
LARGEST_CART_FROM = 100_000

# All times are versions: nanoseconds since 1970.
_US, _MILLISECOND, _SECOND, _DAY = 10**3, 10**6, 10**9, 86_400 * 10**9
_SLOT = 600 * _SECOND
_SLOTS_PER_DAY = 144

# How many of 100 carts hold 1, 2, ... 12 items.
_SIZES = tuple(accumulate((24, 18, 14, 11, 8, 6, 5, 4, 3.5, 2.5, 2, 2)))
_LARGE_SHARE, _LARGE_SIZES = 1 / 3000, (50, 400)
_SHARE_COMING_BACK, _SHARE_ADDED_AGAIN, _SHARE_REDUCED = 0.12, 0.08, 0.07
_SHARE_NOT_SENT, _SHARE_CLEARED = 0.02, 0.01

# How busy the shop is in each hour from midnight (UTC), and on each day from Monday.
_HOURS = (5, 3, 2, 1, 1, 2, 5, 9, 13, 17, 20, 22, 25, 24, 22, 21, 23, 27, 36, 50, 62, 58, 38, 16)
_DAYS = (10, 9, 9, 9, 8, 11, 14)
# A newsletter or a television show brings many times as many shoppers for ten minutes.
_BURSTS_PER_DAY, _BURST = 1.5, 8
# A small shop, too, has carts in the last two hours and in the last day: at least this many items,
# but at most this share of all.
_RECENT = ((12, 40, 0.1), (_SLOTS_PER_DAY, 100, 0.2))

_Timed = tuple[int, Add]
_Value = TypeVar("_Value", str, int)


def records(items: int, *, seed: int, now: datetime, days: int = 30) -> Iterator[Record]:
    """Yield the adds that make this many items, in the order of their versions.

    The same arguments give the same records. Another `now` changes only the times, and with them
    the beginning of the carts' ids.
    """
    waiting: list[tuple[int, int, Add]] = []
    numbers = count()  # Adds of the same time are not compared.
    for begin, adds in _carts(items, seed=seed, now=now, days=days):
        while waiting and waiting[0][0] < begin:
            yield _next(waiting)
        for version, add in adds:
            heappush(waiting, (version, next(numbers), add))
    while waiting:
        yield _next(waiting)


def _next(waiting: list[tuple[int, int, Add]]) -> Record:
    version, _, add = heappop(waiting)
    return Record(add, version)


def _carts(
    items: int, *, seed: int, now: datetime, days: int
) -> Iterator[tuple[int, Iterator[_Timed]]]:
    """Yield when each cart begins, in order, and its adds, which all come later."""
    chance = Random(seed)  # noqa: S311  Nothing secret.
    largest = LARGEST_CART_ITEMS if items >= LARGEST_CART_FROM else 0
    ordinary = items - largest
    timeline = _Timeline(ordinary, seed=seed, now=now, days=days)
    made = 0
    while made < ordinary:
        begin = timeline.at(made / ordinary)
        if largest and made >= ordinary // 2:
            yield begin, _cart(chance, largest, begin=begin, end=timeline.end)
            largest = 0
        size = min(_size(chance), ordinary - made)
        yield begin, _cart(chance, size, begin=begin, end=timeline.end)
        made += size


class _Timeline:
    """The times at which carts begin: in a shop's daily rhythm, not in the last minute."""

    def __init__(self, items: int, *, seed: int, now: datetime, days: int) -> None:
        self.end = to_us(now) * _US
        slots = days * _SLOTS_PER_DAY
        self._begin = self.end - 60 * _SECOND - slots * _SLOT
        weights = [self._busy(self._begin + slot * _SLOT) for slot in range(slots)]
        chance = Random(f"bursts of {seed}")  # noqa: S311  Nothing secret.
        for slot in chance.choices(range(slots), k=int(days * _BURSTS_PER_DAY)):
            weights[slot] *= _BURST
        for last, wanted, most in _RECENT:
            share = min(most, wanted / items)
            weights[-last:] = _raised(weights[-last:], share * sum(weights))
        self._ends = list(accumulate(weights))

    @staticmethod
    def _busy(version: int) -> float:
        when = from_us(version // _US)
        return _HOURS[when.hour] * _DAYS[when.weekday()]

    def at(self, share: float) -> int:
        """Return when this share of all items, from 0 to less than 1, has been added."""
        wanted = share * self._ends[-1]
        slot = bisect_left(self._ends, wanted)
        begin = self._ends[slot - 1] if slot else 0
        part = (wanted - begin) / (self._ends[slot] - begin)
        return self._begin + int((slot + part) * _SLOT)


def _raised(weights: list[float], least: float) -> list[float]:
    """Scale the weights so that their sum is at least `least`."""
    factor = max(1.0, least / sum(weights))
    return [weight * factor for weight in weights]


def _size(chance: Random) -> int:
    if chance.random() < _LARGE_SHARE:
        return chance.randint(*_LARGE_SIZES)
    return 1 + bisect_left(_SIZES, chance.random() * _SIZES[-1])


def _cart(chance: Random, size: int, *, begin: int, end: int) -> Iterator[_Timed]:
    """Yield the adds of one cart.

    Nothing that is drawn may depend on the times: they differ from one call to the next.
    """
    cart_id, random = None, chance.getrandbits(74)
    comes_back = chance.random() < _SHARE_COMING_BACK
    back_at, back_after = chance.randrange(size), int(chance.expovariate(1) * _DAY)
    pause_s = 80 if size <= len(_SIZES) else 2
    version = begin
    for place, product in enumerate(_chosen(chance, size)):
        gap = _gap(chance, pause_s)
        if comes_back and place == back_at:
            gap += back_after
        version = _later(version, gap, end)
        cart_id = cart_id or cart_id_at(version // _MILLISECOND, random)
        yield from _adds(chance, cart_id, product, version, end)


def _chosen(chance: Random, size: int) -> list[Product]:
    """Choose different products, popular ones more often."""
    if size > LARGEST_CART_ITEMS // 2:
        return chance.sample(catalogue(), size)
    found: dict[Product, None] = {}
    while len(found) < size:
        more = chance.choices(catalogue(), cum_weights=popularity(), k=size - len(found))
        found.update(dict.fromkeys(more))
    return list(found)


def _gap(chance: Random, mean_s: float) -> int:
    return int(chance.expovariate(1 / mean_s) * _SECOND) + 1


def _later(version: int, gap: int, end: int) -> int:
    """Return the time after the gap, or the next nanosecond if that would be in the future."""
    return version + gap if version + gap < end else version + 1


def _adds(
    chance: Random, cart_id: UUID, product: Product, version: int, end: int
) -> Iterator[_Timed]:
    """Yield one add, and sometimes a second: the same again, or a lower price without a name."""
    first = Add(cart_id, product.id, _sent(chance, product.name), _sent(chance, product.price))
    yield version, first
    again, later = chance.random(), _later(version, _gap(chance, 600), end)
    if again < _SHARE_ADDED_AGAIN:
        yield later, first
    elif again < _SHARE_ADDED_AGAIN + _SHARE_REDUCED:
        yield later, Add(cart_id, product.id, price=product.price * 9 // 10)


def _sent(chance: Random, value: _Value) -> _Value | None | UnsetType:
    """Return the value, or sometimes UNSET or None, because some storefronts send neither."""
    drawn = chance.random()
    if drawn < _SHARE_NOT_SENT:
        return UNSET
    return None if drawn < _SHARE_NOT_SENT + _SHARE_CLEARED else value
