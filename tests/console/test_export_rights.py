"""Who may export, what else is refused, and what is known of an export afterwards."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from tests.support.exports import LISTS, TWINS, account, add, address, audited, exported, read
from tracker.console.models import AuditEntry
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(db: None) -> Client:
    return account()


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


@pytest.mark.parametrize("query", ["nonsense=1", "price__gte=x", "q=%00", "items__name=x"])
def test_what_the_list_does_not_understand_is_no_export_of_all(query: str, lead: Client) -> None:
    assert lead.post(address("items", query)).status_code == 400
    assert audited() == []


def test_there_is_no_export_of_anything_else(lead: Client) -> None:
    assert lead.post(address("users")).status_code == 404


def test_it_is_on_the_audit_log_with_what_was_selected_and_how_much(lead: Client) -> None:
    store.merge([add(TWINS[0], "boots", hours=30), add(TWINS[1], "boots")])
    rows = exported(lead, "carts", "state=stale&q=boots")
    assert len(rows) == 1
    selected = "carts, state=stale, q=boots"
    assert audited() == [f"begun: {selected}", f"complete, 1 rows: {selected}"]
    assert {entry.username for entry in AuditEntry.objects.all()} == {"Support lead-0"}


def test_the_entry_of_a_cart_is_scrubbed_with_it(lead: Client) -> None:
    exported(lead, "items", f"q={TWINS[0].hex}")
    assert {entry.cart_id for entry in AuditEntry.objects.all()} == {TWINS[0]}
