"""The ids of carts and the keys of items: neighbours in every index, and never the same twice."""

import os
import subprocess
import sys
from array import array
from uuid import UUID

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from tests.support.live import ROOT
from tests.support.load import FULL_LENGTH
from tracker.cart_ids import cart_id_at, item_id, new_cart_id, short_code

CART = UUID("01a1c665-f73a-79fd-9113-be5a83e637ed")
VERSION_BITS = 0xF << 76

ids = st.uuids()
products = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=255)


@freeze_time("2026-11-28 10:00:00")
def test_a_new_id_has_the_time_and_74_random_bits() -> None:
    """R1; RFC 9562, section 5.7."""
    made = [new_cart_id() for _ in range(1000)]
    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {"specified in RFC 4122"}
    assert {each.int >> 80 for each in made} == {1_795_860_000_000}
    random = [each.int & ~(0xF << 76) & ~(0b11 << 62) & (1 << 80) - 1 for each in made]
    assert len(set(random)) == 1000
    ever_set, ever_clear = 0, 0
    for each in random:
        ever_set |= each
        ever_clear |= ~each
    assert (ever_set & ever_clear & (1 << 80) - 1).bit_count() == 74


def test_ids_of_one_hour_are_neighbours() -> None:
    made = [cart_id_at(ms, int.from_bytes(os.urandom(10), "big")) for ms in range(1000)]
    assert made == sorted(made)


@given(ids, products)
def test_a_key_begins_with_its_carts_id(cart: UUID, product: str) -> None:
    """But for the version, which says that the rest is no time (RFC 9562, section 5.8)."""
    key = item_id(cart, product)
    assert (key.version, key.variant) == (8, "specified in RFC 4122")
    assert (key.int ^ cart.int) & ~VERSION_BITS & ~((1 << 64) - 1) == 0


@given(ids, products, products)
def test_the_keys_of_a_cart_are_neighbours(cart: UUID, one: str, other: str) -> None:
    """No other cart of the same version has keys between them, unless 60 bits are the same."""
    assert item_id(cart, one).bytes[:8] == item_id(cart, other).bytes[:8]
    assert (item_id(cart, one) == item_id(cart, other)) == (one == other)


@given(ids, ids, products)
def test_carts_do_not_share_keys(one: UUID, other: UUID, product: str) -> None:
    assert (item_id(one, product) == item_id(other, product)) == (one == other)


def test_keys_of_carts_that_differ_in_their_last_bits_alone_are_different() -> None:
    """10 million of them with CI=1: 62 bits of a hash are what keeps them apart."""
    count = 10_000_000 if FULL_LENGTH else 200_000
    # By their first byte, because a set of all would need a gigabyte.
    found = [array("Q") for _ in range(64)]
    for number in range(count):
        cart = UUID(int=CART.int & ~0xFFF | number & 0xFFF)
        key = item_id(cart, str(number >> 12)).int & (1 << 62) - 1
        found[key >> 56].append(key)
    assert all(len(set(keys)) == len(keys) for keys in found)


def test_a_key_is_the_same_in_every_process() -> None:
    script = (
        "from uuid import UUID; from tracker.cart_ids import item_id;"
        f" print(item_id(UUID('{CART}'), 'ü'))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [str(item_id(CART, "ü"))]
    assert item_id(CART, "ü") == UUID("01a1c665-f73a-89fd-924f-1c51b4db6e88")


@pytest.mark.parametrize("cart", [CART, UUID(int=5)])
def test_the_short_code_is_the_end_of_the_id(cart: UUID) -> None:
    assert str(cart).endswith(short_code(cart))
    assert len(short_code(cart)) == 8
