"""The contract of tracker/intake: one suite for every intake, on either database."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from msgspec import UNSET

from tests.support.live import Server, wait_for
from tests.support.valkey import Valkey
from tracker.adds import Add
from tracker.intake.contract import Intake
from tracker.intake.drain import Drain
from tracker.intake.selection import intake_from_url
from tracker.models import Cart, Item

pytest_plugins = ["tests.support.streams"]

KINDS = ["database", "journal", "journal-always", "valkey"]
CART = UUID("6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "valkey":
        server: Valkey = request.getfixturevalue("valkey")
        return server.url("claim_ms=100")
    return {
        "database": "database://",
        "journal": f"journal://{tmp_path}/journal",
        "journal-always": f"journal://{tmp_path}/journal?sync=always",
    }[str(request.param)]


@pytest.fixture
def intake(url: str) -> Intake:
    return intake_from_url(url)


def settle(intake: Intake) -> None:
    """Let what was accepted become rows."""
    source = intake.source()
    if source is not None:
        Drain(source, threading.Event()).run_until_empty()
        source.close()


@pytest.mark.django_db
def test_what_is_accepted_is_in_its_row_in_the_end(intake: Intake) -> None:
    """R20"""
    intake.accept(Add(CART, "sku", "Sôcks ✓", 2**53 - 1))
    settle(intake)
    item = Item.objects.get()
    assert (item.cart_id, item.product_id) == (CART, "sku")
    assert (item.name, item.price) == ("Sôcks ✓", 2**53 - 1)


@pytest.mark.django_db
def test_the_last_accepted_value_of_each_field_stays(intake: Intake) -> None:
    """R21, R22"""
    intake.accept(Add(CART, "sku", "first", 1))
    intake.accept(Add(CART, "sku", UNSET, None))
    intake.accept(Add(CART, "sku", "last", UNSET))
    settle(intake)
    item = Item.objects.get()
    assert (item.name, item.price) == ("last", None)


@pytest.mark.django_db
def test_a_history_gives_the_rows_of_its_order(intake: Intake) -> None:
    """R22: drained in several parts, and in between."""
    chance, expected = random.Random(7), {}
    for number in range(120):
        product = f"sku-{chance.randrange(9)}"
        intake.accept(Add(CART, product, str(number), number))
        expected[product] = number
        if number % 40 == 39:
            settle(intake)
    assert dict(Item.objects.values_list("product_id", "price")) == expected
    assert Cart.objects.count() == 1


@pytest.mark.django_db
def test_accepting_twice_is_accepting_once(intake: Intake) -> None:
    for _ in range(2):
        intake.accept(Add(CART, "sku", price=5))
    settle(intake)
    assert Item.objects.get().price == 5


@pytest.mark.django_db
def test_an_intake_that_is_well_has_nothing_to_say(intake: Intake) -> None:
    intake.check()
    source = intake.source()
    if source is not None:
        assert source.read(10) is None
        assert source.backlog().oldest_age_s == 0
        source.close()


def test_a_served_add_becomes_a_row(
    serve: Callable[..., Server], new_database: Callable[[], str], url: str
) -> None:
    """R20, R30: through the whole service, one setting apart."""
    from tests.support.stored import stored

    database = new_database()
    live = serve(DATABASE_URL=database, INTAKE_URL=url)
    for price in (1, 2, 3):
        reply = live.add(product_id="sku", price=price, cart_id=str(CART))
        assert (reply.status, reply.json()) == (200, {"cart_id": str(CART)})
    wait_for(lambda: stored(database) == {(CART.hex, "sku"): (None, 3)})


def test_a_stream_that_comes_back_is_used_again(
    serve: Callable[..., Server], start_valkey: Callable[..., Valkey]
) -> None:
    """R7, R32: 503 with the cookie while Valkey is away; no restart is needed afterwards."""
    valkey = start_valkey()
    live = serve(INTAKE_URL=valkey.url())
    assert live.add(product_id="before").status == 200
    valkey.kill()
    reply = live.add(product_id="meanwhile")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
    assert reply.headers["Set-Cookie"].startswith("cart_id=")
    assert live.request("GET", "/readyz").status == 503
    valkey.start()
    wait_for(lambda: live.add(product_id="after").status == 200)
    assert live.request("GET", "/metrics").status == 200


def test_a_server_that_may_evict_stops_the_start(
    serve: Callable[..., Server], start_valkey: Callable[..., Valkey]
) -> None:
    """What was answered 200 would be lost without a word."""
    valkey = start_valkey("maxmemory-policy allkeys-lru", "maxmemory 50mb")
    with pytest.raises(AssertionError, match="noeviction"):
        serve(INTAKE_URL=valkey.url())
