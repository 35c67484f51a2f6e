"""Stores made-up carts: as the merge would have, but millions of them within minutes."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from io import StringIO

from django.db import connection, transaction

from tracker.demo_data import DemoCart, DemoItem
from tracker.models import Cart, Item, item_id
from tracker.times import from_us

# On SQLite everybody else waits while a chunk is stored.
CHUNK_ITEMS = {"postgresql": 50_000, "sqlite": 5_000}

_COPY_CARTS = "COPY tracker_cart (id, created_at, updated_at, item_count, value) FROM STDIN"
_COPY_ITEMS = (
    "COPY tracker_item (id, cart_id, product_id, name, name_version, price, price_version,"
    " created_at, updated_at) FROM STDIN"
)
_SETTLE = {
    "postgresql": ("VACUUM (ANALYZE) tracker_cart, tracker_item, tracker_tally"),
    "sqlite": "ANALYZE",
}
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def store(carts: Iterable[DemoCart], *, chunk_items: int = 0) -> Iterator[int]:
    """Store carts that are not there yet; tells after each chunk how many items it has stored.

    Killed at any moment, it leaves whole carts and exact counts: a chunk is one transaction. The
    triggers of tracker/tally_sql.py count in it, and others read and write between the chunks.
    `chunk_items` is about how many items a chunk has, 0 for what the database does best.

    Raises django.db.Error, IntegrityError for a cart that is there; the chunks before it stay.
    """
    # The items go before their carts, which the foreign key allows until the commit. So the
    # triggers find no cart to add each item to, and the cart comes with the sums that they would
    # have come to. To drop the triggers, load, recount and make them again takes about as long, but
    # locks everybody out until its end, and leaves nothing if it does not come to it.
    for chunk in _chunks(carts, chunk_items or CHUNK_ITEMS[connection.vendor]):
        with transaction.atomic():
            if connection.vendor == "postgresql":
                _copy(_COPY_ITEMS, map(_item_lines, chunk))
                _copy(_COPY_CARTS, map(_cart_line, chunk))
            else:
                Item.objects.bulk_create(item for cart in chunk for item in _items(cart))
                Cart.objects.bulk_create(map(_cart, chunk))
        yield sum(len(cart.items) for cart in chunk)


def settle() -> None:
    """What a server does by and by: statistics, and on PostgreSQL the map of what is visible.

    Raises django.db.Error, also if it is called within a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE[connection.vendor])


def _chunks(carts: Iterable[DemoCart], items: int) -> Iterator[list[DemoCart]]:
    chunk, size = [], 0
    for cart in carts:
        chunk.append(cart)
        size += len(cart.items)
        if size >= items:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _cart(cart: DemoCart) -> Cart:
    """With all that is computed of its items; the merge and the triggers come to the same."""
    return Cart(
        id=cart.id,
        created_at=from_us(min(item.created_us for item in cart.items)),
        updated_at=from_us(max(item.updated_us for item in cart.items)),
        item_count=len(cart.items),
        value=sum(item.price or 0 for item in cart.items),
    )


# -- SQLite ----------------------------------------------------------------------------------------
def _items(cart: DemoCart) -> Iterator[Item]:
    for item in cart.items:
        yield Item(
            id=item_id(cart.id, item.product_id),
            cart_id=cart.id,
            product_id=item.product_id,
            name=item.name,
            name_version=item.name_version,
            price=item.price,
            price_version=item.price_version,
            created_at=from_us(item.created_us),
            updated_at=from_us(item.updated_us),
        )


# -- PostgreSQL: COPY's text format (manual, "COPY", File Formats) ---------------------------------
def _copy(statement: str, lines: Iterable[str]) -> None:
    # What the driver raises past Django's own methods becomes Django's errors, too.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(statement, StringIO("".join(lines)))


def _cart_line(demo: DemoCart) -> str:
    cart = _cart(demo)
    times = f"{cart.created_at.isoformat()}\t{cart.updated_at.isoformat()}"
    return f"{cart.id}\t{times}\t{cart.item_count}\t{cart.value}\n"


def _item_lines(cart: DemoCart) -> str:
    return "".join([_item_line(cart, str(cart.id), item) for item in cart.items])


def _item_line(cart: DemoCart, cart_id: str, item: DemoItem) -> str:
    keys = f"{item_id(cart.id, item.product_id)}\t{cart_id}\t{_text(item.product_id)}"
    price = r"\N" if item.price is None else item.price
    fields = f"{_text(item.name)}\t{item.name_version}\t{price}\t{item.price_version}"
    created = updated = from_us(item.created_us).isoformat()
    if item.updated_us != item.created_us:
        updated = from_us(item.updated_us).isoformat()
    return f"{keys}\t{fields}\t{created}\t{updated}\n"


@lru_cache(maxsize=1 << 17)
def _text(value: str | None) -> str:
    return r"\N" if value is None else value.translate(_ESCAPES)
