"""manage.py purge: carts without activity for long go with their items, and no others."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from tests.rows.test_tallies import counted, kept
from tracker.adds import Add, Record
from tracker.models import Cart, Item, Tally, Tombstone
from tracker.rows import merge as store
from tracker.rows import purge
from tracker.rows.purge import AgeError, Purged, read_age

DAY_NS = 86_400 * 10**9
on_a_database = pytest.mark.django_db
on_a_shared_database = pytest.mark.usefixtures("shared_database")


@pytest.fixture
def shared_database(transactional_db: None) -> None:
    """Give an empty database with real commits: other connections see them.

    SQLite's tables have been emptied row by row, and its triggers have counted that.
    """
    Tally.objects.all().delete()


def fill(*, days_ago: float, items: int = 2, cart_id: UUID | None = None) -> UUID:
    """A cart whose last activity was so many days ago."""
    cart_id = cart_id or uuid4()
    version = time.time_ns() - int(days_ago * DAY_NS)
    store.merge(Record(Add(cart_id, f"p{n}", price=n), version) for n in range(items))
    return cart_id


def ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def all_purged(before: datetime, **options: Any) -> Purged:
    batches = list(purge.purge(before, **options))
    return Purged(sum(each.carts for each in batches), sum(each.items for each in batches))


def there() -> set[UUID]:
    return set(Cart.objects.values_list("id", flat=True))


# -- Which carts -----------------------------------------------------------------------------------
@on_a_database
def test_the_old_go_with_their_items_and_the_others_stay() -> None:
    young = {fill(days_ago=89), fill(days_ago=0)}
    for days in (91, 100, 400):
        fill(days_ago=days, items=3)
    assert all_purged(ago(90)) == (3, 9)
    assert there() == young
    assert Item.objects.count() == 4
    assert kept() == counted()


@on_a_database
def test_one_late_item_keeps_a_cart_with_all_of_its_items() -> None:
    cart_id = fill(days_ago=200, items=5)
    fill(days_ago=1, items=1, cart_id=cart_id)
    assert all_purged(ago(90)) == (0, 0)
    assert Item.objects.count() == 5


@on_a_database
@pytest.mark.parametrize("batch_carts", [1, 2, 3, 7])
def test_batches_of_any_size_reach_all_carts(batch_carts: int) -> None:
    """Carts of the same moment, too: a batch may end between them."""
    moment = ago(100)
    Cart.objects.bulk_create(Cart(created_at=moment, updated_at=moment) for _ in range(5))
    fill(days_ago=95)
    assert all_purged(ago(90), batch_carts=batch_carts) == (6, 2)
    assert not there()


@on_a_database
def test_large_carts_make_small_batches() -> None:
    for share in (0.6, 0.6, 1.5, 0.4, 0.4):
        Cart.objects.create(updated_at=ago(100), item_count=int(purge.BATCH_ITEMS * share))
    assert [batch.carts for batch in purge.purge(ago(90))] == [1, 1, 1, 2]


@on_a_database
def test_a_late_entry_makes_a_cart_anew_until_the_next_purge() -> None:
    cart_id = fill(days_ago=100)
    all_purged(ago(90))
    assert not Tombstone.objects.exists()
    fill(days_ago=99, items=1, cart_id=cart_id)
    assert there() == {cart_id}
    assert all_purged(ago(90)) == (1, 1)


# -- Meanwhile -------------------------------------------------------------------------------------
@on_a_database
def test_a_cart_that_became_active_after_it_was_chosen_stays() -> None:
    chosen = [fill(days_ago=100), fill(days_ago=100)]
    fill(days_ago=0, items=1, cart_id=chosen[0])
    assert purge.delete(chosen, ago(90)) == (1, 2)
    assert there() == {chosen[0]}
    assert Item.objects.count() == 2
    assert kept() == counted()


@pytest.fixture
def other() -> Iterator[Any]:
    """Another connection to the same database, within a transaction."""
    with closing(psycopg2.connect(**connection.get_connection_params())) as found:
        yield found


@pytest.mark.postgresql
@on_a_shared_database
def test_a_cart_that_somebody_writes_to_is_not_waited_for(other: Any) -> None:
    busy, _ = fill(days_ago=100), fill(days_ago=100)
    with other.cursor() as cursor, connection.cursor() as own:
        cursor.execute("SELECT FROM tracker_cart WHERE id = %s FOR NO KEY UPDATE", [str(busy)])
        own.execute("SET lock_timeout = '50ms'")
        assert all_purged(ago(90)) == (1, 2)
        other.rollback()
    assert there() == {busy}
    assert all_purged(ago(90)) == (1, 2)


@pytest.mark.postgresql
@on_a_shared_database
def test_an_end_in_the_middle_of_a_batch_leaves_it_whole(other: Any) -> None:
    """The items can't be deleted here, so that neither are the carts."""
    cart_id = fill(days_ago=100)
    with other.cursor() as cursor, connection.cursor() as own:
        cursor.execute("SELECT FROM tracker_item FOR UPDATE")
        own.execute("SET lock_timeout = '50ms'")
        with pytest.raises(CommandError, match="lock timeout: 0 carts with 0 items are deleted"):
            purged("90d")
    assert there() == {cart_id}
    assert kept() == counted()


@on_a_shared_database
def test_two_at_once_delete_each_cart_once() -> None:
    Cart.objects.bulk_create(
        Cart(created_at=ago(100), updated_at=ago(100 + number % 7)) for number in range(300)
    )
    stays = fill(days_ago=0)
    before, done = ago(90), []

    def run() -> None:
        try:
            done.append(all_purged(before, batch_carts=20))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 2
    assert sum(each.carts for each in done) == 300
    assert there() == {stays}
    assert kept() == counted()


def interrupted(purge_: Callable[[datetime], Iterator[purge.Purged]]) -> Any:
    """The same, but its user presses Ctrl-C after the first batch."""

    def run(before: datetime) -> Iterator[purge.Purged]:
        yield next(purge_(before))
        raise KeyboardInterrupt

    return run


# -- The command -----------------------------------------------------------------------------------
def purged(older_than: str, *args: str, stdout: Any = None, stderr: Any = None) -> str:
    out = stdout or io.StringIO()
    call_command(
        "purge", "--older-than", older_than, *args, stdout=out, stderr=stderr or io.StringIO()
    )
    return str(out.getvalue())


@on_a_database
def test_a_dry_run_says_what_it_would_delete_and_leaves_it() -> None:
    fill(days_ago=100, items=3)
    fill(days_ago=1)
    assert purged("90d", "--dry-run").startswith("Would delete 1 carts with 3 items without")
    assert Cart.objects.count() == 2
    assert purged("90d") == "1 carts with 3 items are deleted.\n"
    assert purged("90d", "--dry-run").startswith("Would delete 0 carts with 0 items")


@on_a_database
def test_ctrl_c_says_how_far_it_got(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = purge.BATCH_CARTS
    old = ago(100)
    Cart.objects.bulk_create(Cart(created_at=old, updated_at=old) for _ in range(batch + 1))
    out = io.StringIO()
    monkeypatch.setattr(purge, "purge", interrupted(purge.purge))
    with pytest.raises(SystemExit) as stopped:
        purged("90d", stdout=out)
    monkeypatch.undo()
    assert stopped.value.code == 130
    assert out.getvalue() == "Stopped: 1,000 carts with 0 items of 1,001 are deleted.\n"
    assert Cart.objects.count() == 1
    assert purged("90d") == "1 carts with 0 items are deleted.\n"


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("12h", timedelta(hours=12)),
        (" 90d", timedelta(days=90)),
        ("2w", timedelta(weeks=2)),
        ("36500d", timedelta(days=36500)),
    ],
)
def test_ages_are_read(text: str, age: timedelta) -> None:
    assert read_age(text) == age


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "text",
    ["", "90", "d", "0d", "-1d", "1.5d", "90 d", "9O d", "12m", "90D", "36501d", "999999w", "٣d"],
)
def test_what_is_no_age_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(AgeError, match=r"^'.*' is not an age: [^\n]+$"):
        read_age(text)


@on_a_database
def test_a_bad_age_deletes_nothing() -> None:
    fill(days_ago=100)
    with pytest.raises(CommandError, match=r"^--older-than: '90' is not an age: [^\n]+$"):
        purged("90")
    assert Cart.objects.count() == 1
