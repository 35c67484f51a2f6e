"""manage.py erase"""

import io
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from tracker.adds import Add, Record
from tracker.console.models import AuditEntry
from tracker.models import Cart
from tracker.rows import erasure
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def cart_id() -> UUID:
    found = uuid4()
    version = time.time_ns() - 10**9
    store.merge([Record(Add(found, f"sku-{number}"), version) for number in range(3)])
    return found


def erase(cart: Any, *args: str, reason: str = "ticket 4711", typed: str | None = None) -> str:
    out = io.StringIO()
    terminal = io.StringIO() if typed is None else Terminal(typed)
    call_command(
        "erase", "--cart", str(cart), "--reason", reason, *args, stdin=terminal, stdout=out
    )
    return " ".join(out.getvalue().split())


def test_a_script_erases_and_gets_the_receipt(cart_id: UUID) -> None:
    printed = erase(cart_id, "--yes", "--operator", "nightly job")
    assert f"Erased cart {cart_id.hex[-8:]}" in printed
    assert "by nightly job" in printed
    assert "reason ticket 4711 carts 1 items 3 dead letters 0 audit entries emptied 0" in printed
    assert not Cart.objects.exists()
    assert AuditEntry.objects.filter(cart_id=cart_id, username="nightly job").count() == 2


def test_who_sits_at_a_terminal_sees_what_goes_and_types_the_code(cart_id: UUID) -> None:
    printed = erase(cart_id, typed=f"{cart_id.hex[-8:]}\n")
    assert "items 3" in printed.partition("Type")[0]
    assert not Cart.objects.exists()


@pytest.mark.parametrize("typed", ["", "\n", "yes\n", "00000000\n"])
def test_anything_else_that_is_typed_erases_nothing(cart_id: UUID, typed: str) -> None:
    with pytest.raises(CommandError, match="Nothing was erased"):
        erase(cart_id, typed=typed)
    assert Cart.objects.exists()
    assert not AuditEntry.objects.exists()


def test_without_a_terminal_it_asks_for_yes(cart_id: UUID) -> None:
    with pytest.raises(CommandError, match="--yes"):
        erase(cart_id)
    assert Cart.objects.exists()


@pytest.mark.parametrize("reason", ["", "no", "x" * 301, "finished 1: carts: 1"])
def test_a_reason_that_is_none_is_refused(cart_id: UUID, reason: str) -> None:
    with pytest.raises(CommandError, match="--reason"):
        erase(cart_id, "--yes", reason=reason)
    assert Cart.objects.exists()


def test_the_reason_never_holds_the_id(cart_id: UUID) -> None:
    with pytest.raises(CommandError, match="full id"):
        erase(cart_id, "--yes", reason=f"for {cart_id.hex}")


@pytest.mark.parametrize("cart", ["", "2c5ea4c0", "sku-1"])
def test_only_a_whole_id_names_a_cart(cart: str) -> None:
    with pytest.raises(CommandError, match="not a cart's id"):
        erase(cart, "--yes")


def test_a_cart_without_a_row_can_be_erased_too() -> None:
    assert "(it has no row)" in erase(uuid4(), "--yes")


def test_one_that_dies_says_how_to_go_on(cart_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as broken:
        broken.setattr(erasure, "delete", fail)
        with pytest.raises(CommandError, match=r"not finished: away. Run it again"):
            erase(cart_id, "--yes")
    assert AuditEntry.objects.get().detail == "ticket 4711"
    erase(cart_id, "--yes")
    assert not Cart.objects.exists()
