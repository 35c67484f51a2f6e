"""The export of a list: its content, who may have it, and what the audit log says."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import psycopg2
import pytest
from django.contrib import admin
from django.db import OperationalError, connection
from django.http import HttpRequest, QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from freezegun import freeze_time

from tests.support.exports import (
    LISTS,
    TWINS,
    account,
    add,
    address,
    audited,
    exported,
    fill,
    keys,
    read,
)
from tracker.console.export import page as export
from tracker.console.frame import limits
from tracker.console.models import AuditEntry
from tracker.models import Cart, Item
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db

QUERIES = {
    "carts": [
        "",
        *(f"state={state}" for state in ("active", "idle", "stale")),
        *(f"age={age}" for age in ("1h", "24h", "7d", "30d", "older")),
        *("product=boots", "product=none", "state=idle&product=boots&q=socks"),
        *("q=boots", "q=7715c0de", "q=none"),
    ],
    "items": [
        *("", "q=boots", "q=boot", "q=7715c0de", f"q={TWINS[0]}", f"q={TWINS[0].hex}"),
        *("q=none",),
    ],
}


@pytest.fixture
def shop() -> None:
    """Make carts of every age with boots, boots and socks, or others. Two share a code."""
    ages = [0, 0.5, 1.5, 3, 12, 30, 24 * 6, 24 * 20, 24 * 40]
    carts = [*zip(TWINS, (1, 13), strict=True), *((uuid4(), age) for age in ages for _ in range(2))]
    records = []
    for number, (cart_id, age) in enumerate(carts):
        product = ("boots", "socks", "bootstrap")[number % 3]
        records += [add(cart_id, product, hours=age, price=number)]
        records += [add(cart_id, "boots", hours=age, price=5)] if product == "socks" else []
    store.merge(records)


@pytest.fixture
def lead(db: None) -> Client:
    return account()


def shown(client: Client, name: str, query: str) -> list[tuple[str, ...]]:
    """Return the rows of the list, which is one page here."""
    page = client.get(reverse(f"admin:tracker_{name[:-1]}_changelist") + f"?{query}")
    rows = page.context["cl"].result_list
    return sorted(
        (str(getattr(row, "cart_id", row.pk)), getattr(row, "product_id", "")) for row in rows
    )


@pytest.mark.parametrize(
    ("name", "query"), [(name, query) for name in QUERIES for query in QUERIES[name]]
)
def test_it_has_the_rows_that_the_list_shows(
    name: str, query: str, shop: None, lead: Client
) -> None:
    assert keys(exported(lead, name, query)) == shown(lead, name, query)


def test_every_filter_of_the_lists_is_tried() -> None:
    tried = {key for queries in QUERIES.values() for query in queries for key in parse_qs(query)}
    for model in LISTS.values():
        lists: Any = admin.site.get_model_admin(model)
        for each in lists.list_filter:
            assert each.parameter_name in tried


def test_a_cart_found_by_its_id_is_exported_alone(shop: None, lead: Client) -> None:
    assert keys(exported(lead, "carts", f"q={TWINS[0]}")) == [(str(TWINS[0]), "")]


def test_the_columns_of_a_cart(lead: Client, settings: Any) -> None:
    settings.CURRENCY = "EUR"
    store.merge([add(TWINS[0], "a", price=1299), add(TWINS[0], "b", price=1)])
    (row,) = exported(lead, "carts")
    cart = Cart.objects.get()
    assert row == {
        "cart_id": "7715c0de-0000-4000-8000-000000000001",
        "items": "2",
        "value_cents": "1300",
        "value_EUR": "13.00",
        "first_activity_utc": f"{cart.created_at:%Y-%m-%d %H:%M:%S}",
        "last_activity_utc": f"{cart.updated_at:%Y-%m-%d %H:%M:%S}",
        "state": "active",
    }


def test_the_columns_of_an_item(lead: Client) -> None:
    store.merge([add(TWINS[0], "007", name='=HYPERLINK("http://evil.example")')])
    (row,) = exported(lead, "items")
    assert list(row)[:5] == ["cart_id", "product_id", "name", "price_cents", "price_USD"]
    assert list(row.values())[1:5] == ["007", '\'=HYPERLINK("http://evil.example")', "", ""]


@pytest.mark.parametrize("name", LISTS)
def test_changes_during_an_export_do_not_disturb_other_rows(name: str, lead: Client) -> None:
    carts = fill(3000)
    parts: Iterator[bytes] = iter(lead.post(address(name)).streaming_content)  # type: ignore[attr-defined]
    content = next(parts) + next(parts)
    seen = {row["cart_id"] for row in read(content)}
    assert len(seen) == export.CHUNK_ROWS
    unseen = [cart_id for cart_id in carts if str(cart_id) not in seen]
    gone = [UUID(min(seen)), unseen[0]]
    Item.objects.filter(cart_id__in=gone).delete()
    Cart.objects.filter(id__in=gone).delete()
    store.merge([add(cart_id, "a", price=1) for cart_id in carts if cart_id not in gone])
    new = fill(100)
    found = [row["cart_id"] for row in read(content + b"".join(parts))]
    assert len(found) == len(set(found))
    assert {str(each) for each in carts} - set(found) == {str(unseen[0])}
    assert set(found) <= {str(each) for each in carts + new}


def test_the_first_bytes_need_no_rows(lead: Client) -> None:
    first, *_ = lead.post(address("carts")).streaming_content  # type: ignore[attr-defined]
    assert first.decode().endswith(",state\r\n")


def test_an_export_by_browser_is_cut_off_and_says_so(
    lead: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BROWSER_ROWS", 3)
    fill(3)
    assert len(exported(lead, "carts")) == 3
    fill(1)
    *rows, last = exported(lead, "carts")
    assert len(rows) == 3
    assert last["cart_id"].startswith("# There is more: cut off after 3 rows.")
    assert "manage.py export" in last["cart_id"]
    assert list(last.values())[1:] == [""] * 6
    assert audited()[-1] == "cut off, 3 rows: carts"


def test_the_page_mentions_the_cap_if_it_may_be_reached(
    lead: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.console.templatetags.export.COUNT_LIMIT", 2)
    fill(1)
    listed = reverse("admin:tracker_cart_changelist") + "?state=active&product=a%27"
    assert "has no limit" not in lead.get(listed).content.decode()
    fill(2)
    page = lead.get(reverse("admin:tracker_cart_changelist") + "?age=24h").content.decode()
    assert "ends after 100,000 rows" in page
    assert "<code>manage.py export carts --query age=24h</code>" in page


@pytest.mark.parametrize("name", LISTS)
@freeze_time("2026-02-03 23:59")
def test_the_headers_of_a_file(name: str, lead: Client) -> None:
    headers = lead.post(address(name)).headers
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == f'attachment; filename="{name}-2026-02-03.csv"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in headers["Cache-Control"]


def running(**limits: int) -> tuple[Iterator[bytes], list[str]]:
    """Start an export of all carts. Return its parts and its entries for the audit log."""
    request, told = HttpRequest(), list[str]()
    request.GET = QueryDict("")
    return iter(export.Export(export.select("carts", request), told.append, **limits)), told


def test_an_export_that_breaks_off_says_so() -> None:
    fill(2001)
    parts, told = running()
    next(parts), next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert told == ["begun: carts", "broken off, 2,000 rows: carts"]


@pytest.fixture
def locked_carts() -> Iterator[None]:
    """Lock the table of carts, so that reading it waits."""
    other = psycopg2.connect(**connection.get_connection_params())
    other.cursor().execute("LOCK TABLE tracker_cart")
    yield
    other.close()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_statement_of_a_stream_is_limited_in_time(request: pytest.FixtureRequest) -> None:
    parts, told = running(timeout_ms=50)
    request.getfixturevalue("locked_carts")
    next(parts)
    with pytest.raises(OperationalError, match="statement timeout"):
        next(parts)
    assert told == ["begun: carts", "broken off, 0 rows: carts"]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_what_takes_too_long_to_begin_is_a_readable_page(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WRITE_TIMEOUT_MS", 50)
    client = account("", is_superuser=True)
    request.getfixturevalue("locked_carts")
    reply = client.post(address("carts"))
    assert reply.status_code == 503
    assert "Narrow your search" in reply.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_support_neither_sees_the_button_nor_gets_the_file(name: str) -> None:
    support = account("Support")
    page = support.get(reverse(f"admin:tracker_{name[:-1]}_changelist"))
    assert page.status_code == 200
    assert "/admin/export/" not in page.content.decode()
    assert support.post(address(name)).status_code == 403
    assert support.get(address(name)).status_code == 403
    assert audited() == []


@pytest.mark.parametrize(("name", "query"), [("carts", "product=b&q=a"), ("items", "q=a")])
def test_a_lead_has_a_button_that_carries_the_selection(
    name: str, query: str, lead: Client
) -> None:
    page = lead.get(reverse(f"admin:tracker_{name[:-1]}_changelist") + f"?{query}")
    assert f'method="post" action="{escape(address(name, query))}"' in page.content.decode()


def test_the_button_of_a_later_page_exports_all(lead: Client) -> None:
    store.merge([add(TWINS[0], f"a{n}") for n in range(60)])
    listed = reverse("admin:tracker_item_changelist")
    older = lead.get(listed).context["cl"].older
    assert "after=" in older
    assert f'action="{address("items")}?"' in lead.get(listed + older).content.decode()
    assert len(read(lead.post(address("items") + older).getvalue())) == 60


def test_other_lists_have_no_button() -> None:
    page = account("", is_superuser=True).get(reverse("admin:console_auditentry_changelist"))
    assert "/admin/export/" not in page.content.decode()


def test_a_visit_leads_to_the_list_with_the_same_selection(lead: Client) -> None:
    reply = lead.get(address("items", "q=a%26b&price__gte=6&after=x"))
    assert reply["Location"] == "/admin/tracker/item/?q=a%26b&price__gte=6"
    assert audited() == []


def test_there_is_no_export_of_anything_else(lead: Client) -> None:
    assert lead.post(address("users")).status_code == 404


def test_the_audit_log_has_the_selection_and_the_number_of_rows(lead: Client) -> None:
    store.merge([add(TWINS[0], "boots", hours=30), add(TWINS[1], "boots")])
    rows = exported(lead, "carts", "state=stale&q=boots")
    assert len(rows) == 1
    selected = "carts, state=stale, q=boots"
    assert audited() == [f"begun: {selected}", f"complete, 1 rows: {selected}"]
    assert {entry.username for entry in AuditEntry.objects.all()} == {"Support lead-0"}


def test_the_entry_of_a_cart_is_scrubbed_with_it(lead: Client) -> None:
    exported(lead, "items", f"q={TWINS[0].hex}")
    assert {entry.cart_id for entry in AuditEntry.objects.all()} == {TWINS[0]}
