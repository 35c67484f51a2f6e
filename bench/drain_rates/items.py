"""The items that the drain is measured with, in a journal or in PostgreSQL.

All of an item is computed from its number, so that any item can be made again, to update it.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from hashlib import md5
from io import StringIO
from pathlib import Path
from random import Random
from urllib.parse import urlsplit
from uuid import UUID

import psycopg2

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

import django

django.setup()

from tracker.adds import Add  # noqa: E402
from tracker.cart_ids import item_id  # noqa: E402
from tracker.intake.journal.intake import JournalIntake  # noqa: E402

ITEMS_PER_CART = 6
PRODUCTS = 50_000
PRICES = 30_000
# Items with these numbers are never stored beforehand, however many are.
NEW_FROM = ITEMS_PER_CART * 10**9
ROWS_PER_COPY = 100_000

_COLOURS = ("Blue", "Grüne", "Off-white", "Dark grey", "Rosé", "Black", "Olive")
_THINGS = ("socks", "rain jacket, size M", "Söckchen", "coffee mug (0.3 l)", "USB-C cable 2 m")


def cart_id(cart: int) -> UUID:
    """Return an id as random as uuid4's: neighbouring carts are far apart in an index."""
    digest = md5(cart.to_bytes(8, "big"), usedforsecurity=False).digest()
    return UUID(bytes=digest, version=4)


def add(number: int, *, price_change: int = 0) -> Add:
    """Return the item with this number; ITEMS_PER_CART consecutive numbers share a cart."""
    product = number * 7919 % PRODUCTS
    name = f"{_COLOURS[product % 7]} {_THINGS[product % 5]}, no. {product}"
    price = (number * 31 + price_change) % PRICES
    return Add(cart_id(number // ITEMS_PER_CART), f"SKU-{product:06}", name, price)


def new_items(records: int) -> Iterator[Add]:
    """Yield the items of records / ITEMS_PER_CART carts: all first items, then all second ones."""
    for place in range(ITEMS_PER_CART):
        for number in range(place, records, ITEMS_PER_CART):
            yield add(number)


def half_updates(records: int, *, stored: int, turn: int) -> list[Add]:
    """Return new items in new carts, and as many updates of stored items, shuffled.

    Each `turn` gets different ones.
    """
    chance = Random(turn)
    known = chance.sample(range(stored), records // 2)
    first = NEW_FROM + ITEMS_PER_CART * records * turn
    adds = [add(number, price_change=1) for number in known]
    adds += [add(number) for number in range(first, first + records - len(adds))]
    chance.shuffle(adds)
    return adds


def fill_journal(directory: Path, adds: Iterable[Add], *, segment_mb: int = 8) -> str:
    """Accept the adds as one worker would. Return the journal's URL."""
    url = f"journal://{directory}?segment_mb={segment_mb}"
    journal = JournalIntake(urlsplit(url))
    for each in adds:
        journal.accept(each)
    journal.close()
    return url


def fill_postgres(url: str, items: int) -> None:
    """Store that many items as the merge would have stored them. Report progress on stderr.

    The indexes exist from the start, so that pages are as full as in a table that has grown.
    """
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        # Switches off the foreign key's check: all carts exist. Triggers do not run, either.
        cursor.execute("SET session_replication_role = replica")
        carts = -(-items // ITEMS_PER_CART)
        for table, rows in (("tracker_cart", carts), ("tracker_item", items)):
            for first in range(0, rows, ROWS_PER_COPY):
                numbers = range(first, min(rows, first + ROWS_PER_COPY))
                began = time.perf_counter()
                columns, lines = _COPIED[table](numbers)
                cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", StringIO(lines))
                rate = len(numbers) / (time.perf_counter() - began)
                _progress(f"{table}: {numbers.stop:,} of {rows:,}, {rate:,.0f} a second")
        # Otherwise autovacuum would do this while the drain is measured.
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")


def _progress(line: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{line:60}", end=end, file=sys.stderr, flush=True)


# Lower than every version that a journal gives from now on.
_VERSION = time.time_ns()
_TIME = datetime.fromtimestamp(_VERSION / 1e9, UTC).isoformat()


def _cart_lines(carts: range) -> tuple[str, str]:
    return "id, created_at, updated_at", "".join(
        f"{cart_id(cart)}\t{_TIME}\t{_TIME}\n" for cart in carts
    )


def _item_lines(numbers: range) -> tuple[str, str]:
    columns = "id, cart_id, product_id, name, name_version, price, price_version"
    return f"{columns}, created_at, updated_at", "".join(map(_item_line, numbers))


def _item_line(number: int) -> str:
    item = add(number)
    key = item_id(item.cart_id, item.product_id)
    name, price = f"{item.name}\t{_VERSION}", f"{item.price}\t{_VERSION}"
    return f"{key}\t{item.cart_id}\t{item.product_id}\t{name}\t{price}\t{_TIME}\t{_TIME}\n"


_COPIED = {"tracker_cart": _cart_lines, "tracker_item": _item_lines}
