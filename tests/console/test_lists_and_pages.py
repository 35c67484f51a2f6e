"""The console: carts and items to look at, one click apart."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from tracker.adds import Add, Record
from tracker.models import Cart
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db


def fill(items: int = 3, **members: Any) -> Cart:
    cart_id = uuid4()
    adds = [Add(cart_id, f"sku-{number}", **members) for number in range(items)]
    store.merge([Record(add, number) for number, add in enumerate(adds)])
    return Cart.objects.get(id=cart_id)


def text(page: Any) -> str:
    assert page.status_code == 200
    return str(page.content.decode())


def test_an_item_leads_to_its_cart_and_a_cart_to_its_items(admin_client: Client) -> None:
    cart = fill()
    fill()
    listed = text(admin_client.get(reverse("admin:tracker_item_changelist")))
    cart_page = reverse("admin:tracker_cart_change", args=[cart.id])
    assert cart_page in listed
    item_pages = [reverse("admin:tracker_item_change", args=[item.pk]) for item in cart.items.all()]
    page = text(admin_client.get(cart_page))
    assert len(item_pages) == 3
    assert all(address in page for address in item_pages)


def test_markup_from_storefronts_is_shown_as_text(admin_client: Client) -> None:
    fill(name="<script>alert(1)</script>")
    page = text(admin_client.get(reverse("admin:tracker_item_changelist")))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_first_account_is_made_once(capsys: pytest.CaptureFixture[str]) -> None:
    from django.core.management import call_command

    call_command("first_account")
    password = capsys.readouterr().out.rpartition("password")[2].strip()
    form = {"username": "admin", "password": password}
    assert Client().post(reverse("admin:login"), form).status_code == 302
    call_command("first_account")
    assert capsys.readouterr().out == ""
    assert get_user_model().objects.count() == 1
