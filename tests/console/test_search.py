"""The search: each form is one look-up, and each look-up uses an index."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tracker.adds import Add, Record
from tracker.cart_ids import short_code
from tracker.console.lists import search
from tracker.console.models import AuditEntry
from tracker.models import Cart, Item
from tracker.rows import merge as store

CART = UUID("2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d")


@pytest.mark.parametrize(
    "typed",
    [
        "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d",
        "2c5ea4c0406711e98bad9b1deb4d3b7d",
        "2C5EA4C0-4067-11E9-8BAD-9B1DEB4D3B7D",
        "{2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d}",
        "urn:uuid:2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d",
        "  2c5ea4c0-4067 -11e9-8bad-\n9b1deb4d3b7d ",
        "https://shop.example/cart?id=2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d&x=1",
        'cart_id="2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d";',
    ],
)
def test_a_carts_id_is_read_in_every_form(typed: str) -> None:
    assert search.read(typed) == search.Term(cart_id=CART)


@pytest.mark.parametrize("typed", ["2c5ea4c0", "#2C5EA4C0", " 2c5e a4c0 "])
def test_eight_digits_are_a_short_code(typed: str) -> None:
    term = search.Term(digits="2c5ea4c0", product_id=typed.strip())
    assert search.read(typed) == term


@pytest.mark.parametrize(
    "typed", ["SKU-1", "2c5e", "2c5ea4c04067f", "12345678x", "ab" * 17, "٢" * 8]
)
def test_anything_else_is_a_product(typed: str) -> None:
    assert search.read(f" {typed} ") == search.Term(product_id=typed)


def test_a_blank_search_has_no_term() -> None:
    assert search.read(" \0 ") == search.Term()


@pytest.fixture
def shop(db: None) -> None:
    """Make the cart, another with the same code, and a hundred others."""
    cousin = UUID("01234567-ffff-4fff-8bad-9b1deb4d3b7d")
    adds = [
        Add(CART, "SKU-1"),
        Add(cousin, "SKU-10"),
        Add(CART, "sku-1"),
        Add(CART, "SKU%1"),
        Add(CART, "40061234"),
    ]
    adds += [Add(uuid4(), f"OTHER-{number}") for number in range(100)]
    store.merge([Record(add, number) for number, add in enumerate(adds, 1)])


def found(client: Client, typed: str) -> Any:
    return client.get(reverse("admin:find"), {"q": typed})


@pytest.mark.usefixtures("shop")
def test_one_cart_is_shown_at_once(admin_client: Client) -> None:
    page = found(admin_client, f" {str(CART).upper()} ")
    assert page["Location"] == reverse("admin:tracker_cart_change", args=[CART])
    for address in ("admin:find", "admin:tracker_cart_changelist"):
        code = next(each for each in Cart.objects.all() if short_code(each.id) != short_code(CART))
        page = admin_client.get(reverse(address), {"q": code.id.hex[-8:]})
        assert page["Location"] == reverse("admin:tracker_cart_change", args=[code.id])


@pytest.mark.usefixtures("shop")
def test_carts_with_one_code_are_listed(admin_client: Client) -> None:
    page = admin_client.get(found(admin_client, "eb4d3b7d")["Location"])
    assert len(page.context["cl"].result_list) == 2


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("digits", ["2c5ea", "2c5ea4c0", "2c5ea4c04067", "#2C5EA4"])
def test_a_cart_is_found_by_its_first_digits(digits: str, admin_client: Client) -> None:
    page = found(admin_client, digits)
    assert page["Location"] == reverse("admin:tracker_cart_change", args=[CART])


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("digits", ["d3b7d", "9b1deb4d3b7d", "4d3b7D"])
def test_carts_are_found_by_their_last_digits(digits: str, admin_client: Client) -> None:
    page = admin_client.get(found(admin_client, digits)["Location"])
    assert len(page.context["cl"].result_list) == 2


@pytest.mark.usefixtures("shop")
def test_digits_that_are_a_product_lead_to_it(admin_client: Client) -> None:
    """Unless they are a whole short code: those are for carts first."""
    store.merge([Record(Add(uuid4(), "d3b7d"), 500), Record(Add(uuid4(), "eb4d3b7d"), 501)])
    assert "/item/" in found(admin_client, "d3b7d")["Location"]
    assert "/cart/" in found(admin_client, "eb4d3b7d")["Location"]


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("typed", "products"),
    [
        ("SKU-1", ["SKU-1"]),  # Exactly, although others begin like it.
        ("sku-1", ["sku-1"]),
        ("SKU-", ["SKU-1", "SKU-10"]),
        ("SKU%", ["SKU%1"]),  # Not a wildcard.
        ("OTHER-1", ["OTHER-1"]),
        ("40061234", ["40061234"]),  # Looks like a cart's code, but no cart has it.
    ],
)
def test_a_product_is_found_exactly_or_by_its_beginning(
    typed: str, products: list[str], admin_client: Client
) -> None:
    page = admin_client.get(found(admin_client, typed)["Location"])
    assert [item.product_id for item in page.context["cl"].result_list] == products


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("typed", ["", "no such thing", str(uuid4()), "00000000", "sku_1"])
def test_a_search_without_results_explains_the_forms(typed: str, admin_client: Client) -> None:
    page = found(admin_client, typed)
    assert page.status_code == 200
    assert "the last 8 digits of its id" in page.content.decode()
    assert f"<code>{short_code(CART)}</code>" in page.content.decode()  # Of the id beside it.


@pytest.mark.usefixtures("shop")
def test_carts_are_found_by_their_products(admin_client: Client) -> None:
    address = reverse("admin:tracker_cart_changelist")
    for query in ({"product": "SKU-10"}, {"q": "SKU-10"}):
        page = admin_client.get(address, query)
        assert [cart.item_count for cart in page.context["cl"].result_list] == [1]


@pytest.mark.usefixtures("shop")
def test_searches_and_opened_carts_are_on_the_audit_log(admin_client: Client) -> None:
    found(admin_client, f" {CART} ")
    admin_client.get(reverse("admin:tracker_cart_change", args=[CART]))
    entries = AuditEntry.objects.order_by("id").values_list("username", "action", "cart_id")
    assert list(entries) == [("admin", "searched", CART), ("admin", "opened", CART)]


@pytest.fixture
def large_shop(db: None) -> None:
    """Make so many rows that the planner prefers an index to reading a whole table."""
    records = [
        Record(Add(UUID(int=n // 2 * 7919 << 64 | n // 2), f"SKU-{n * 31 % 500}"), n * 10**9)
        for n in range(1, 12_001)
    ]
    for first in range(0, len(records), 2000):
        store.merge(records[first : first + 2000])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


LISTS = [
    ("tracker_cart", {}),
    ("tracker_cart", {"state": "stale"}),
    ("tracker_cart", {"state": "active"}),
    ("tracker_cart", {"age": "24h"}),
    ("tracker_cart", {"product": "SKU-7"}),
    ("tracker_cart", {"q": "2c5ea4c0"}),
    ("tracker_item", {}),
    ("tracker_item", {"q": "SKU-7"}),
    ("tracker_item", {"q": "SKU-49"}),
    ("tracker_item", {"q": "2c5ea4c0"}),
    ("tracker_item", {"q": str(CART)}),
    ("tracker_item", {"q": "no such thing"}),
]


@pytest.mark.postgresql
@pytest.mark.usefixtures("large_shop")
def test_no_list_reads_a_table_as_a_whole(admin_client: Client) -> None:
    for table, query in LISTS:
        address = reverse(f"admin:{table}_changelist")
        first = admin_client.get(address, query)
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(address, query)
            if first.context["cl"].older:
                admin_client.get(address + first.context["cl"].older)
        reads = [each["sql"] for each in captured if "tracker_" in each["sql"]]
        assert reads, (table, query)
        for sql in reads:
            if "COUNT(*)" not in sql:  # Limited, so it may read all of a small table.
                plan = _plan(sql)
                assert "Seq Scan on tracker_" not in plan, f"{sql}\n{plan}"


def _plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_a_list_costs_the_same_queries_at_any_size(admin_client: Client, db: None) -> None:
    counts = set()
    for size in (3, 300):
        store.merge([Record(Add(uuid4(), f"p{n}"), n + 1) for n in range(size)])
        for table in ("tracker_cart", "tracker_item"):
            with CaptureQueriesContext(connection) as captured:
                admin_client.get(reverse(f"admin:{table}_changelist"))
            counts.add((table, len(captured)))
    assert len(counts) == 2
    assert Item.objects.count() == 303
