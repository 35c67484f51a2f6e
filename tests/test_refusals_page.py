"""The console's page that answers "Why does my add not show up?"."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tests.refused import SHOP, refusal
from tests.test_architecture import modules
from tracker import refusals
from tracker.console.refusal_codes import EXPLANATIONS
from tracker.refusal_record import NO_ORIGIN

pytest_plugins = ["tests.refusal_fixtures"]
pytestmark = pytest.mark.usefixtures("var_dir")

Add = Callable[..., HttpResponse]


def page(client: Client, **chosen: str) -> str:
    shown = client.get(reverse("admin:refusals"), chosen)
    assert shown.status_code == 200
    return shown.content.decode()


def test_the_page_says_that_nothing_was_refused(admin_client: Client) -> None:
    shown = page(admin_client)
    assert "nothing was refused" in shown
    assert "since the service's last start" in shown
    assert reverse("admin:refusals") in shown


def test_the_page_explains_each_code(admin_client: Client, add: Add) -> None:
    add(product_id="a", price="12.99", HTTP_ORIGIN=SHOP)
    shown = page(admin_client)
    assert EXPLANATIONS["not_an_integer"].meaning in shown
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
    refusals._record.add(refusal(code="of_tomorrow"))
    assert "of_tomorrow" in page(admin_client)


def test_only_who_may_see_items_sees_refusals(client: Client, django_user_model: Any) -> None:
    address = reverse("admin:refusals")
    assert client.get(address).status_code == 302
    user: User = django_user_model.objects.create_user("reader", is_staff=True)
    client.force_login(user)
    assert client.get(address).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_item"))
    assert client.get(address).status_code == 200
    assert client.post(address).status_code == 405


# -- Explanations ----------------------------------------------------------------------------------


def codes_in(path: Path) -> Iterator[ast.expr]:
    """Where Fault(pointer, code, ...) and Problem.one(status, code, ...) name their code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func).rpartition(".")[2] == "Fault" or (
            ast.unparse(node.func) in ("Problem.one", "cls.one")
        ):
            named = [each.value for each in node.keywords if each.arg == "code"]
            yield (node.args[1:2] or named)[0]


def test_every_code_has_its_explanation_and_no_other_has() -> None:
    """A code that is not written out where it is used would be missed here, so there is none."""
    found = [(path, code) for path in modules() for code in codes_in(path)]
    passed_on = [(path.name, ast.unparse(code)) for path, code in found if is_computed(code)]
    assert passed_on == [("problem.py", "code")]  # Problem.one itself.
    codes = {ast.literal_eval(code) for _, code in found if not is_computed(code)}
    assert codes == set(EXPLANATIONS)


def is_computed(code: ast.expr) -> bool:
    return not isinstance(code, ast.Constant)


def test_an_explanation_is_two_short_sentences() -> None:
    for explained in EXPLANATIONS.values():
        for sentence in explained:
            assert sentence.endswith(".")
            assert len(sentence) <= 110
