"""Erasing a cart in the console: previewed, confirmed by its code, logged in the audit log."""

import re
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, transaction
from django.test import Client
from django.urls import reverse

from tests.support.console_urls import client_of
from tracker.adds import Add, Record
from tracker.console.erasing import erasures
from tracker.console.frame import audit
from tracker.console.lists import paging
from tracker.console.models import AuditEntry
from tracker.intake import drain
from tracker.models import Cart, DeadLetter, Item
from tracker.rows import erasure
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db

ERASED = AuditEntry.Action.ERASED


@pytest.fixture
def lead() -> Client:
    return client_of("lead")


def fill(items: int = 3, **members: Any) -> UUID:
    cart_id = uuid4()
    store.merge([old(cart_id, f"sku-{number}", **members) for number in range(items)])
    return cart_id


def old(cart_id: UUID, product_id: str = "sku-0", **members: Any) -> Record:
    return Record(Add(cart_id, product_id, **members), time.time_ns() - 3600 * 10**9)


def page_of(cart_id: UUID) -> str:
    return reverse("admin:erase", args=[cart_id])


def confirmed(cart_id: UUID, **fields: str) -> dict[str, str]:
    return {"kind": "test data", "words": "", "code": cart_id.hex[-8:]} | fields


def text(page: Any) -> str:
    assert page.status_code == 200
    return " ".join(re.sub("<[^>]+>", " ", page.content.decode()).split())


def erase(client: Client, cart_id: UUID, **fields: str) -> str:
    """Erase a cart. Return the text of the receipt."""
    return text(client.post(page_of(cart_id), confirmed(cart_id, **fields), follow=True))


def test_the_page_shows_what_will_be_deleted_and_deletes_nothing(lead: Client) -> None:
    cart_id = fill()
    drain.dead_letter(old(cart_id), ValueError("refused"))
    audit.write("lead", AuditEntry.Action.SEARCHED, cart_id=cart_id, detail="Ms Doe")
    page = text(lead.get(page_of(cart_id)))
    assert "Items 3 Dead letters 1 Audit entries to be emptied 1" in page
    assert "still wait in the intake" in page
    assert Item.objects.count() == 3
    assert not AuditEntry.objects.filter(action=ERASED).exists()


def test_where_adds_are_written_directly_nothing_waits(lead: Client, settings: Any) -> None:
    settings.SERVED_INTAKE_URL = "database://"
    assert "wait in the intake" not in text(lead.get(page_of(fill())))


def test_a_large_cart_is_not_counted_to_its_end(
    lead: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "COUNT_LIMIT", 2)
    assert "Items 2+" in text(lead.get(page_of(fill(3))))


def test_a_confirmed_erasure_deletes_all_and_gives_a_receipt(lead: Client) -> None:
    cart_id, other = fill(name="Ms Doe's socks"), fill()
    drain.dead_letter(old(cart_id, name="Ms Doe"), ValueError("refused"))
    audit.write("lead", AuditEntry.Action.SEARCHED, cart_id=cart_id, detail="Ms Doe")
    page = erase(lead, cart_id, kind="other", words="ticket 4711")
    assert f"Cart {cart_id.hex[-8:]} Erased by lead" in page
    assert "Reason other: ticket 4711" in page
    assert "Carts 1 Items 3 Dead letters 1 Audit entries emptied 1" in page
    assert str(cart_id) not in page
    assert Cart.objects.get().id == other
    assert not DeadLetter.objects.exists()
    assert not AuditEntry.objects.filter(detail__contains="Doe").exists()


def test_a_receipt_can_be_opened_again_only_with_its_own_cart(lead: Client) -> None:
    cart_id = fill()
    erase(lead, cart_id)
    begun, finished = AuditEntry.objects.filter(action=ERASED).order_by("id")
    address = reverse("admin:erase_receipt", args=[cart_id, begun.pk])
    assert "Items 3" in text(lead.get(address))
    assert address in lead.get(page_of(cart_id)).content.decode()
    for wrong in ([uuid4(), begun.pk], [cart_id, finished.pk], [cart_id, 10**30]):
        assert lead.get(reverse("admin:erase_receipt", args=wrong)).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"code": "00000000"}, "to erase this cart"),
        ({"code": ""}, "This field is required"),
        ({"kind": ""}, "This field is required"),
        ({"kind": "because"}, "Select a valid choice"),
        ({"kind": "other"}, "a reason of 3 to 300"),
        ({"kind": "other", "words": "no"}, "a reason of 3 to 300"),
        ({"words": "x" * 295}, "a reason of 3 to 300"),
        ({"words": "nul\0"}, "Null characters are not allowed"),
    ],
)
def test_nothing_is_erased_without_a_reason_and_the_code(
    lead: Client, wrong: dict[str, str], says: str
) -> None:
    cart_id = fill()
    page = text(lead.post(page_of(cart_id), confirmed(cart_id, **wrong)))
    assert says in page
    assert "Nothing was erased" in page
    assert Item.objects.count() == 3
    assert not AuditEntry.objects.filter(action=ERASED).exists()


@pytest.mark.parametrize("spelled", ["{0}", "{0.hex}", "please see /cart/{0}/, thanks"])
def test_the_reason_never_holds_the_id(lead: Client, spelled: str) -> None:
    """It outlives the erasure."""
    cart_id = fill()
    words = spelled.format(cart_id).upper()
    page = text(lead.post(page_of(cart_id), confirmed(cart_id, words=words)))
    assert "full id" in page
    assert Item.objects.count() == 3


def test_the_code_may_be_typed_as_people_type_it(lead: Client) -> None:
    cart_id = fill()
    erase(lead, cart_id, code=f" #{cart_id.hex[-8:].upper()} ")
    assert not Cart.objects.exists()


def test_support_can_neither_see_nor_erase() -> None:
    support, cart_id = client_of("support"), fill()
    assert support.get(page_of(cart_id)).status_code == 403
    assert support.post(page_of(cart_id), confirmed(cart_id)).status_code == 403
    receipt = reverse("admin:erase_receipt", args=[cart_id, 1])
    assert support.get(receipt).status_code == 403
    cart_page = support.get(reverse("admin:tracker_cart_change", args=[cart_id]))
    nothing = support.get(reverse("admin:find"), {"q": str(uuid4())})
    assert "/erase/" not in (cart_page.content + nothing.content).decode()
    assert Cart.objects.exists()


def test_the_cart_page_and_the_empty_search_lead_there(lead: Client) -> None:
    cart_id, unknown = fill(), uuid4()
    cart_page = lead.get(reverse("admin:tracker_cart_change", args=[cart_id]))
    assert page_of(cart_id) in cart_page.content.decode()
    nothing = lead.get(reverse("admin:find"), {"q": str(unknown)})
    assert page_of(unknown) in nothing.content.decode()


def test_a_cart_without_a_row_can_be_erased_too(lead: Client) -> None:
    cart_id = uuid4()
    waiting = old(cart_id)
    assert "There is no row of this cart" in text(lead.get(page_of(cart_id)))
    assert "Carts 0 Items 0" in erase(lead, cart_id)
    store.merge([waiting])
    assert not Cart.objects.exists()


@pytest.mark.parametrize(
    "step", [(erasure, "put_tombstone"), (erasure, "delete"), (audit, "scrub")]
)
def test_an_interrupted_erasure_is_logged_and_can_be_repeated(
    lead: Client, step: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cart_id = fill()
    audit.write("lead", AuditEntry.Action.SEARCHED, cart_id=cart_id, detail="Ms Doe")
    with monkeypatch.context() as broken:
        broken.setattr(*step, fail)
        page = erase(lead, cart_id, words="ticket 1")
    assert "begun and is not finished" in page
    assert "Reason test data: ticket 1" in page
    assert "Carts" in erase(lead, cart_id, words="ticket 1").partition("Receipt")[2]
    assert not Cart.objects.exists()
    assert not AuditEntry.objects.filter(detail__contains="Doe").exists()
    details = AuditEntry.objects.filter(action=ERASED).values_list("detail", flat=True)
    assert [detail.startswith("finished") for detail in details.order_by("id")] == [0, 0, 1]


def fail(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("away")


def test_a_cart_is_not_erased_if_the_audit_log_fails(
    lead: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart_id = fill()
    monkeypatch.setattr(erasures, "begin", fail)
    assert lead.post(page_of(cart_id), confirmed(cart_id)).status_code == 503
    assert Cart.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_reason_is_committed_before_anything_is_deleted() -> None:
    """In an outer transaction it might be rolled back although the deletion stands."""
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        erasures.begin("lead", uuid4(), "because")
    assert not AuditEntry.objects.exists()


def test_erasing_again_changes_nothing_and_is_recorded_again(lead: Client) -> None:
    cart_id = fill()
    erase(lead, cart_id)
    assert "Carts 0 Items 0 Dead letters 0" in erase(lead, cart_id)
    assert AuditEntry.objects.filter(action=ERASED, cart_id=cart_id).count() == 4


def test_the_preview_counts_what_the_receipt_does(lead: Client) -> None:
    cart_id = fill()
    for action in AuditEntry.Action:
        audit.write("lead", action, cart_id=cart_id, detail="words")
        audit.write("lead", action, cart_id=cart_id)
    seen = erasures.preview(cart_id)
    begun = erasures.begin("lead", cart_id, "because")
    erasures.carry_out(begun, cart_id)
    counts = dict(erasures.receipt(begun).counts or [])
    assert (counts["items"], counts["audit entries emptied"]) == (seen.items, seen.audit_entries)


def test_markup_in_a_reason_is_shown_as_text(lead: Client) -> None:
    cart_id = fill()
    receipt = lead.post(
        page_of(cart_id), confirmed(cart_id, words="<script>alert(1)</script>"), follow=True
    )
    assert "<script>alert" not in receipt.content.decode()
    assert "&lt;script&gt;alert(1)" in receipt.content.decode()
