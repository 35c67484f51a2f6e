"""The console's page that answers "Why does my add not show up?"."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tests.support.refusals import SHOP, refusal
from tracker.endpoint.error_codes import ErrorCode
from tracker.operations import refusals
from tracker.operations.refusal_record import NO_ORIGIN

pytest_plugins = ["tests.support.refusals"]
pytestmark = pytest.mark.usefixtures("var_dir")

Add = Callable[..., HttpResponse]


def page(client: Client, **chosen: str) -> str:
    shown = client.get(reverse("admin:refusals"), chosen)
    assert shown.status_code == 200
    return shown.content.decode()


def test_the_page_says_that_nothing_was_refused(admin_client: Client) -> None:
    shown = page(admin_client)
    assert "has refused nothing" in shown
    assert "since the service's last start" in shown
    assert reverse("admin:refusals") in shown


def test_the_page_explains_each_code(admin_client: Client, add: Add) -> None:
    add(product_id="a", price="12.99", HTTP_ORIGIN=SHOP)
    shown = page(admin_client)
    assert ErrorCode.NOT_AN_INTEGER.meaning in shown
    assert "<code>Math.round(price * 100)</code>" in shown
    assert "&quot;12.99&quot;" in shown
    assert "nothing was refused" not in shown


def test_the_page_narrows_to_a_code_and_an_origin(admin_client: Client, add: Add) -> None:
    add(product_id="", HTTP_ORIGIN=SHOP, HTTP_X_REQUEST_ID="of-shop")
    add(product_id="a", price=-1, HTTP_X_REQUEST_ID="of-server")
    assert {"of-shop", "of-server"} <= set(page(admin_client).replace("<", ">").split(">"))
    for chosen in ({"code": "blank"}, {"origin": SHOP}, {"code": "blank", "origin": SHOP}):
        shown = page(admin_client, **chosen)
        assert "of-shop" in shown
        assert "of-server" not in shown
    shown = page(admin_client, origin=NO_ORIGIN)
    assert ("of-server" in shown, "of-shop" in shown) == (True, False)
    assert "None of the newest" in page(admin_client, code="blank", origin=NO_ORIGIN)


def test_the_newest_refusal_comes_first(admin_client: Client, add: Add) -> None:
    for name in ("first", "second"):
        add(product_id="", HTTP_X_REQUEST_ID=f"the-{name}")
    shown = page(admin_client)
    assert shown.index("the-second") < shown.index("the-first")


def test_markup_in_origins_and_values_is_shown_as_text(admin_client: Client, add: Add) -> None:
    markup = "<script>alert(1)</script>"
    add(product_id=[markup], HTTP_ORIGIN=SHOP)
    add(product_id="a", HTTP_ORIGIN=markup)
    for shown in (page(admin_client), page(admin_client, code=markup, origin=markup)):
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert(1)" in shown


def test_a_code_that_nobody_knows_is_shown(admin_client: Client) -> None:
    refusals._log.add(refusal(code="of_tomorrow"))
    shown = page(admin_client)
    assert "of_tomorrow" in shown
    assert "does not know this code" in shown


def test_only_who_may_see_items_sees_refusals(client: Client, django_user_model: Any) -> None:
    address = reverse("admin:refusals")
    assert client.get(address).status_code == 302
    user: User = django_user_model.objects.create_user("reader", is_staff=True)
    client.force_login(user)
    assert client.get(address).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_item"))
    assert client.get(address).status_code == 200
    assert client.post(address).status_code == 405
