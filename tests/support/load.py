"""Clients that log what was answered, and what the rows must be afterwards."""

import os
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Container, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from itertools import count
from math import inf
from time import monotonic
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import pytest

from tests.support.live import Server, wait_for
from tests.support.stored import ask, stored
from tests.support.valkey import Valkey
from tracker.adds import Add
from tracker.intake.journal.intake import JournalIntake
from tracker.intake.stream.entries import FIELD, encode, place_of, stream_names
from tracker.intake.stream.url import Options

FULL_LENGTH = bool(os.environ.get("CI"))
FIELDS = ("name", "price")
# In one statement, and so at one moment: what the rows are, and what the triggers have counted.
_COUNTS = """
SELECT (SELECT count(*) || ' ' || COALESCE(sum(price), 0) FROM tracker_item),
       (SELECT sum(item_count) || ' ' || sum(value) FROM tracker_cart),
       (SELECT sum(new_items) || ' ' || sum(seen_value) FROM tracker_tally)
"""
_ABSENT = object()
_numbers = count(1)


class Attempt(NamedTuple):
    """What one request sent for one field. `ended` is infinite if the connection broke."""

    began: float
    ended: float
    value: Any
    accepted: bool


class Load:
    """Clients that add items without pause until the block ends.

    Most items are sent once, so that a loss is noticed; the others again and again, by all clients.
    A request sets one field or both, sometimes to null.
    """

    def __init__(self, server: Server, *, clients: int = 4, pause_s: float = 0) -> None:
        self.answers: Counter[str] = Counter()
        self._port, self._pause_s = server.port, pause_s
        self._log: defaultdict[tuple[str, str, str], list[Attempt]] = defaultdict(list)
        self._lock, self._done = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._shop) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    @property
    def accepted(self) -> int:
        return self.answers["200"]

    @property
    def failures(self) -> dict[str, int]:
        """Return every other answer, and every broken connection."""
        return {answer: times for answer, times in self.answers.items() if answer != "200"}

    def accept(self, more: int) -> None:
        """Wait until this many more were answered 200."""
        self._go_on(more, "200")

    def be_refused(self, more: int) -> None:
        """Wait until this many more were answered 503."""
        self._go_on(more, "503")

    def _go_on(self, more: int, answer: str) -> None:
        goal = self.answers[answer] + more
        wait_for(lambda: self.answers[answer] >= goal, within_s=60)

    def _shop(self) -> None:
        chance = random.Random(next(_numbers))
        client = HTTPConnection("127.0.0.1", self._port, timeout=15)
        while not self._done.wait(self._pause_s):
            item = _any_item(chance)
            began = monotonic()
            try:
                client.request("POST", "/items", msgspec.json.encode(item))
                response = client.getresponse()
                response.read()
                answer = str(response.status)
            except (OSError, HTTPException) as error:
                client.close()
                answer = type(error).__name__
            self._note(item, answer, began)
            if chance.random() < 0.3:
                client.close()  # The next request comes on a new connection.
        client.close()

    def _note(self, item: dict[str, Any], answer: str, began: float) -> None:
        accepted = answer == "200"
        ended = monotonic() if answer.isdigit() else inf
        with self._lock:
            self.answers[answer] += 1
            for field in item.keys() & FIELDS:
                key = (item["cart_id"], item["product_id"], field)
                self._log[key].append(Attempt(began, ended, item[field], accepted))

    def broken_promises(self, rows: Mapping[tuple[str, str], tuple[Any, Any]]) -> list[str]:
        """Return the fields that are not as the last accepted request left them."""
        found = {
            (*key, field): value
            for key, row in rows.items()
            for field, value in zip(FIELDS, row, strict=True)
        }
        asked_for = {key[:2] for key in self._log}
        broken = [f"{key}: nobody asked for it" for key in rows.keys() - asked_for]
        for key, attempts in self._log.items():
            value = found.get(key, _ABSENT)
            if not _is_kept(attempts, value):
                broken.append(f"{key}: {value!r} after {attempts}")
        return broken


def _any_item(chance: random.Random) -> dict[str, Any]:
    number = next(_numbers)
    hot = chance.random() < 0.3
    product_id = f"hot-{chance.randrange(20)}" if hot else f"sku-{number}"
    item: dict[str, Any] = {"cart_id": f"{chance.randrange(1, 9):032x}", "product_id": product_id}
    for field in chance.choice([FIELDS, FIELDS, FIELDS[:1], FIELDS[1:]]):
        value = str(number) if field == "name" else number
        item[field] = None if chance.random() < 0.05 else value
    return item


def _is_kept(attempts: list[Attempt], value: Any) -> bool:
    """Return whether a value is one that may win: the last, or one that overlaps it in time.

    An add that was not answered 200 may be stored or not.
    """
    begun = [attempt.began for attempt in attempts if attempt.accepted]
    if not begun:
        return value in [_ABSENT, None, *(attempt.value for attempt in attempts)]
    return value in [attempt.value for attempt in attempts if attempt.ended >= max(begun)]


def wait_until_kept(load: Load, url: str, *, within_s: float = 30) -> None:
    """Wait until the rows are as promised. Fails the test after that time."""
    with suppress(AssertionError):  # What is broken says more than how long it was waited for.
        wait_for(lambda: not load.broken_promises(stored(url)), within_s=within_s)
    broken = load.broken_promises(stored(url))
    assert not broken, f"{len(broken)} of {load.accepted} adds: {broken[:3]}"
    assert_counts_are_right(url)


def assert_counts_are_right(url: str) -> None:
    """Check that the triggers have counted what the rows are."""
    ((counted, in_carts, in_tallies),) = ask(url, _COUNTS)
    assert counted == in_carts == in_tallies, f"{counted}, {in_carts}, {in_tallies}"


def fill_journal(
    url: str, total: int, *, bad: Container[int] = (), per_segment: int | None = None
) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Accept this many items as one worker does. Return the rows that they should become.

    The bad ones have a price that passes the intake, but that no row can have.
    """
    journal, rows = JournalIntake(urlsplit(url)), {}
    for number in range(total):
        cart_id, name = UUID(int=number % 1000 + 1), f"Item {number}"
        price = -1 if number in bad else number
        journal.accept(Add(cart_id, f"sku-{number}", name, price))
        if number not in bad:
            rows[cart_id.hex, f"sku-{number}"] = (name, price)
        if per_segment and number % per_segment == per_segment - 1:
            journal.close()
    journal.close()
    return rows


def fill_stream(valkey: Valkey, total: int) -> None:
    """Put this many items into the streams, as requests would."""
    names = stream_names(Options().streams)
    with valkey.client() as client:
        for start in range(0, total, 10_000):
            pipeline = client.pipeline(transaction=False)
            for number in range(start, min(total, start + 10_000)):
                add = Add(UUID(int=number % 1000 + 1), f"sku-{number}", f"Item {number}", number)
                stream = names[place_of(add.cart_id, len(names))]
                pipeline.xadd(stream, {FIELD: encode(add)})
            pipeline.execute()


def say(request: pytest.FixtureRequest, figures: str) -> None:
    """Print a line about what was measured."""
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    assert reporter is not None
    assert capture is not None
    with capture.global_and_fixture_disabled():
        reporter.write_line(f"  {figures}")
