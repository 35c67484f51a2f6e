"""Every account against every address of the console and every method."""

from http import HTTPStatus
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from tests.support.console_urls import OUTSIDERS, ROLES, Url, client_of, every_url, make_rows
from tracker.console.models import AuditEntry
from tracker.models import Cart, DeadLetter, Item

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST")
# Tried by the lowest and the highest role.
MORE_METHODS = ("HEAD", "PUT", "PATCH", "DELETE")
NOBODY = "nobody"
LOGIN = "to the login"


class Rule(NamedTuple):
    """The first of ROLES that may GET and POST, and the status that it gets.

    All roles before it are refused, and outsiders are sent to the login. `posted` is the status
    for an empty form, which must change nothing.
    """

    get: str
    post: str
    found: int = 200
    posted: int = 200
    refused: int = 403


def model(get: str, *, change: str = NOBODY) -> dict[str, Rule]:
    """Return the rules for a model's pages: who may see them, and who may change something."""
    return {
        "changelist": Rule(get, get),
        "add": Rule(change, change),
        "change": Rule(get, change),
        "delete": Rule(change, change),
        "history": Rule(get, get),
    }


# An address without a name has its route as key.
RULES = {
    "index": Rule("staff", "staff", posted=405),
    "dashboard": Rule("staff", "staff", posted=405),
    "live": Rule("support", "support", posted=405),
    "live_adds": Rule("support", "support", posted=405),
    "refusals": Rule("support", "support", posted=405),
    "export": Rule("lead", "lead", found=302),
    "erase": Rule("lead", "lead"),
    "erase_receipt": Rule("lead", "lead"),
    # The sample can't be read: a replay refuses it, and it stays.
    "deadletter_replay": Rule("lead", "lead", found=302, posted=302),
    "deadletters_replay": Rule("lead", "lead", posted=302),
    "deadletter_discard": Rule("lead", "lead", found=302),
    "app_list": Rule("support", "support", refused=404),
    "find": Rule("support", "support"),
    "jsi18n": Rule("staff", "staff", posted=405),
    "password_change": Rule("staff", "staff"),
    "password_change_done": Rule("staff", "staff", posted=405),
    "autocomplete": Rule("staff", "staff", found=404, posted=404),
    "view_on_site": Rule("staff", "staff", found=404, posted=404),
    "auth_user_password_change": Rule("superuser", "superuser"),
    "(?P<url>.*)": Rule("staff", "staff", found=404, posted=404),
}
MODELS = {
    "tracker_cart": model("support"),
    "tracker_item": model("support"),
    "tracker_deadletter": model("support"),
    "console_auditentry": model("lead"),
    "auth_group": model("superuser", change="superuser"),
    "auth_user": model("superuser", change="superuser"),
}
for label, rules in MODELS.items():
    RULES |= {f"{label}_{action}": rule for action, rule in rules.items()}
    # Redirects to the page, which checks the permission.
    RULES[f"{label.replace('_', '/')}/<path:object_id>/"] = Rule("staff", "staff", 302, 302)

# These need no permission. They are tested below.
OPEN = {"login", "logout"}


def expected(rule: Rule, role: str, method: str) -> int | str:
    if method not in ("GET", "HEAD", "POST"):
        return 405
    if role in OUTSIDERS:
        return LOGIN
    least, status = (rule.post, rule.posted) if method == "POST" else (rule.get, rule.found)
    if least == NOBODY or ROLES.index(role) < ROLES.index(least):
        return rule.refused
    return status


def answer(client: Client, url: Url, method: str) -> int | str:
    reply: Any = client.generic(method, url.path)
    if reply.streaming:
        b"".join(reply.streaming_content)
    if reply.status_code == 302 and reply["Location"].startswith(reverse("admin:login")):
        return LOGIN
    return int(reply.status_code)


def what_there_is() -> list[int]:
    return [each.objects.count() for each in (Cart, Item, DeadLetter, User, Group)]


@pytest.mark.parametrize("role", ROLES)
def test_every_account_may_do_exactly_what_the_table_says(role: str) -> None:
    make_rows()
    client = client_of(role)
    methods = METHODS + MORE_METHODS * (role in ("anonymous", "superuser"))
    before = what_there_is()
    wrong = []
    for url in every_url():
        if url.name in OPEN:
            continue
        if url.name not in RULES:
            wrong.append(f"{url.name} has no line in RULES: say who may GET it, and who POST to it")
            continue
        for method in methods:
            due = expected(RULES[url.name], role, method)
            if (got := answer(client, url, method)) != due:
                wrong.append(f"{method} {url.name} {url.path}: {got}, expected {due}")
    assert not wrong, "\n".join(wrong)
    assert what_there_is() == before


def test_the_table_has_no_line_for_a_page_that_does_not_exist() -> None:
    make_rows()
    assert set(RULES) | OPEN == {url.name for url in every_url()}


@pytest.mark.parametrize("role", ROLES)
def test_everybody_can_log_in_and_out(role: str) -> None:
    client = client_of(role)
    is_in = role not in OUTSIDERS
    login = client.get(reverse("admin:login"))
    assert login.status_code == (302 if is_in else 200)
    assert client.get(reverse("admin:logout")).status_code == (405 if is_in else 302)
    assert client.post(reverse("admin:logout")).status_code == (200 if is_in else 302)
    assert client.get(reverse("admin:index")).status_code == 302


def test_forms_of_other_sites_are_refused() -> None:
    """They lack the token of our pages."""
    make_rows()
    client = client_of("superuser", enforce_csrf_checks=True)
    for url in every_url():
        reply = client.post(url.path)
        assert reply.status_code == HTTPStatus.FORBIDDEN, url
        assert b"Please try again" in reply.content, url


def test_a_closed_account_is_logged_out_at_once() -> None:
    client = client_of("superuser")
    assert client.get(reverse("admin:index")).status_code == 200
    User.objects.update(is_active=False)
    assert client.get(reverse("admin:index")).status_code == 302


def test_the_groups_have_what_the_documentation_says() -> None:
    for name, rights in {
        "Support": {"view_cart", "view_item", "view_deadletter"},
        "Support lead": {
            *("view_cart", "view_item", "view_deadletter", "view_auditentry"),
            *("export_carts", "erase_carts", "replay_deadletters"),
        },
    }.items():
        given = Group.objects.get(name=name).permissions.values_list("codename", flat=True)
        assert set(given) == rights


def test_opening_a_page_as_support_is_on_the_audit_log() -> None:
    make_rows()
    url = next(url for url in every_url() if url.name == "tracker_cart_change")
    client_of("support").get(url.path)
    assert AuditEntry.objects.filter(username="support").exists()
