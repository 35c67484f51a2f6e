"""manage.py deadletters: list, replay, discard."""

import io
from unittest import mock
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from tracker.adds import Add, Record
from tracker.intake.drain import merge_or_dead_letter
from tracker.models import DeadLetter, Item
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db
CART = UUID("6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10")


def dead_letter(*prices: int) -> None:
    merge_or_dead_letter([Record(Add(CART, f"sku{p}", price=p), 5) for p in prices])


def deadletters(*args: str) -> str:
    out = io.StringIO()
    call_command("deadletters", *args, stdout=out)
    return out.getvalue()


def test_they_are_listed_with_their_errors() -> None:
    dead_letter(-1, -2)
    assert "2 dead letters" in deadletters()
    assert deadletters().count("tracker_item_price_cents") == 2


def test_a_replay_after_a_repair_makes_the_row() -> None:
    dead_letter(-1)
    letter = DeadLetter.objects.get()
    letter.delete()
    DeadLetter.store(mend(letter.record), "mended")
    assert "1 replayed, 0 refused" in deadletters("replay")
    assert Item.objects.get().price == 1
    assert not DeadLetter.objects.exists()


def mend(line: str) -> str:
    from tracker.intake.record import dump, load

    add, version = load(line.encode())
    assert version is not None
    return dump(Add(add.cart_id, add.product_id, price=1), version).decode()


def test_what_is_still_bad_stays() -> None:
    dead_letter(-1, -2)
    assert "0 replayed, 2 refused again" in deadletters("replay")
    assert DeadLetter.objects.count() == 2


def test_a_replay_without_a_database_changes_nothing() -> None:
    dead_letter(-1)
    away = OperationalError("away")
    with mock.patch.object(store, "merge", side_effect=away), pytest.raises(OperationalError):
        deadletters("replay")
    assert DeadLetter.objects.count() == 1


def test_discarding_asks_to_be_sure_and_takes_only_those_named() -> None:
    dead_letter(-1, -2)
    first = str(DeadLetter.objects.all()[0].id)
    with pytest.raises(CommandError, match="--yes"):
        deadletters("discard", first)
    assert "1 discarded" in deadletters("discard", first, "--yes")
    assert DeadLetter.objects.count() == 1
