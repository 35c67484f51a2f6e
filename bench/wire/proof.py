"""Compare the rows with what was sent: nothing that was answered 200 may be missing."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import psycopg2
from psycopg2 import sql

from bench.wire.stage import Running, Stage
from bench.wire.traffic import CARTS, Rows, cart_id, rows

_ITEMS = "SELECT cart_id::text, product_id, price FROM {} WHERE product_id LIKE 'sku-%'"


@dataclass(frozen=True)
class Proof:
    """What was found. `differing` rows are missing, or hold another price than the last one sent.

    `may_differ` counts the requests that had no answer when wrk stopped (up to 16 a run), or
    another answer than 200. `unknown` rows were never sent: there must be none.
    """

    requests: int
    rows: int
    differing: int
    may_differ: int
    unknown: int

    @property
    def holds(self) -> bool:
        return self.differing <= self.may_differ and not self.unknown

    def __str__(self) -> str:
        if not self.holds:
            return f"LOST: {self.differing} differ, {self.unknown} were never sent"
        kept = f"{self.rows:,} rows, all as sent"
        return f"{kept} but for {self.differing} unanswered" if self.differing else kept


def prove(stage: Stage, running: Running) -> Proof | None:
    """Compare every row with every request that was sent. None if the subject stores nothing."""
    if not running.subject.items:
        return None
    wanted, found = rows(chain.from_iterable(running.sent)), _stored(stage, running)
    differing = sum(found.known.get(pair) != price for pair, price in wanted.known.items())
    return Proof(
        requests=sum(map(len, running.sent)),
        rows=len(found.known) + found.new.total(),
        differing=differing + (wanted.new - found.new).total(),
        may_differ=running.unsure,
        unknown=len(found.known.keys() - wanted.known.keys()) + (found.new - wanted.new).total(),
    )


def _stored(stage: Stage, running: Running) -> Rows:
    statement = sql.SQL(_ITEMS).format(sql.Identifier(running.subject.items))
    known_carts = {cart_id(cart) for cart in range(CARTS)}
    known: dict[tuple[str, str], int] = {}
    new: Counter[tuple[str, int]] = Counter()
    connection = psycopg2.connect(stage.postgres.url(running.database))
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)
        for cart, product_id, price in cursor:
            if cart in known_carts:
                known[cart, product_id] = price
            else:
                new[product_id, price] += 1
    return Rows(known, new)
