"""Measure what an add of a real shop costs PostgreSQL; `realistic` in __main__.py.

A quarter of the adds are for new carts, the others for carts of the last two hours. Bytes of log,
pages that are logged as a whole, and blocks that are read do not depend on how busy the machine is.

    .venv/bin/python -m bench.drain_rates.realistic ITEMS    with DATABASE_URL set

is the process that measures.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from bench.drain_rates.case import new_database, new_server, say, show
from tests.conftest import migrate

ROOT = Path(__file__).resolve().parent.parent.parent
STORED = (100_000, 1_000_000, 10_000_000)
ADDS, BATCH_RECORDS, ITEMS_PER_CART, PRODUCTS = 20_000, 1000, 4, 5000
_HOUR_MS = 3_600_000
_HISTORY_MS = 30 * 24 * _HOUR_MS


@dataclass(frozen=True)
class Cost:
    """What an add costs right after a checkpoint, with so many items stored."""

    stored: int
    wal_bytes: float
    full_pages: float
    blocks_read: float
    wall_us: float


def measure_realistic(*, quick: bool) -> list[Cost]:
    """Merge a real shop's adds into tables of several sizes, on servers with default settings."""
    found = []
    for size in STORED[:-1] if quick else STORED:
        say(f"realistic: {size:,} items")
        with new_server() as postgres:
            url = new_database(postgres, "bench")
            migrate(url)
            command = [sys.executable, "-m", "bench.drain_rates.realistic", str(size)]
            env = {**os.environ, "DATABASE_URL": url}
            done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)
            found.append(Cost(**json.loads(done.stdout)))
    columns = ["items stored", "bytes of log", "full pages", "blocks read", "µs"]
    rows = [
        [
            f"{each.stored:,}",
            f"{each.wal_bytes:,.0f}",
            f"{each.full_pages:.2f}",
            f"{each.blocks_read:.2f}",
            f"{each.wall_us:.0f}",
        ]
        for each in found
    ]
    show("One add of a real shop, right after a checkpoint, default memory", columns, rows)
    return found


def _shop(items: int, chance: Random, now_ms: int) -> Iterator[Any]:
    """Yield the records that make so many items, over the last 30 days."""
    carts = items // ITEMS_PER_CART
    for number in range(carts):
        begin_ms = now_ms - _HISTORY_MS + _HISTORY_MS * number // carts
        cart_id = cart_id_at(begin_ms, chance.getrandbits(74))
        for place in range(ITEMS_PER_CART):
            yield _record(cart_id, chance, begin_ms + place * 60_000)


def _traffic(chance: Random, now_ms: int, recent: list[Any]) -> Iterator[Any]:
    for number in range(ADDS):
        at_ms = now_ms + number
        if chance.random() < 0.25:
            recent.append(cart_id_at(at_ms, chance.getrandbits(74)))
            yield _record(recent[-1], chance, at_ms)
        else:
            yield _record(chance.choice(recent), chance, at_ms)


def _record(cart_id: Any, chance: Random, at_ms: int) -> Any:
    product = f"SKU-{chance.randrange(PRODUCTS):05}"
    add = Add(cart_id, product, f"Blue socks, no. {product}", chance.randrange(99_999))
    return Record(add, at_ms * 10**6)


def _used() -> tuple[int, int, int]:
    """Return bytes of log, full pages in it, and blocks read, of the whole server."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT wal_bytes, wal_fpi, (SELECT sum(blks_read) FROM pg_stat_database)"
            " FROM pg_stat_wal"
        )
        wal_bytes, full_pages, blocks_read = map(int, cursor.fetchone())
    return wal_bytes, full_pages, blocks_read


def _settled() -> tuple[int, int, int]:
    """Wait until PostgreSQL has published its statistics, which it does once a second."""
    time.sleep(1.5)
    return _used()


def _measure(items: int) -> Cost:
    chance, now_ms = Random(1), time.time_ns() // 10**6
    for batch in batched(_shop(items, chance, now_ms), 5000):
        merge(batch)
    since = cart_id_at(now_ms - 2 * _HOUR_MS, 0)
    recent = list(Cart.objects.filter(id__gte=since).values_list("id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")
    before, began = _settled(), time.perf_counter()
    for batch in batched(_traffic(chance, now_ms, recent), BATCH_RECORDS):
        merge(batch)
    wall_s, after = time.perf_counter() - began, _settled()
    wal_bytes, full_pages, blocks_read = (
        (later - earlier) / ADDS for earlier, later in zip(before, after, strict=True)
    )
    return Cost(items, wal_bytes, full_pages, blocks_read, wall_s / ADDS * 1e6)


def batched(records: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(records, size)):
        yield batch


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    import django

    django.setup()

    from django.db import connection

    from tracker.adds import Add, Record
    from tracker.cart_ids import cart_id_at
    from tracker.models import Cart
    from tracker.rows.merge import merge

    print(json.dumps(asdict(_measure(int(sys.argv[1])))))
