"""The console's keys, as far as no browser is needed: what is written down is what there is."""

import re
from html import unescape
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from tests.live import ROOT

pytestmark = pytest.mark.django_db

STATIC = ROOT / "tracker/console/static/console"
SCRIPTS = sorted(STATIC.glob("*.js"))


def page(client: Client, name: str = "admin:find") -> str:
    return client.get(reverse(name)).content.decode()


def written_keys(html: str) -> set[str]:
    """The first key of each line in the table."""
    dialog = html.partition('<dialog id="keys"')[2].partition("</dialog>")[0]
    return {unescape(key) for key in re.findall(r"<kbd>(.+?)</kbd>", dialog)}


def places(html: str) -> dict[str, str]:
    return dict(re.findall(r'<a data-key="(\w)" href="([^"]+)"', html))


def test_every_page_says_what_the_keys_are(admin_client: Client) -> None:
    for name in ("admin:find", "admin:live", "admin:tracker_cart_changelist"):
        html = page(admin_client, name)
        assert html.count('<dialog id="keys"') == 1
        assert re.search(r'<button[^>]* id="keys-button"[^>]*>Keyboard</button>', html)


def test_the_login_has_no_keys(client: Client) -> None:
    assert 'id="keys"' not in page(client, "admin:login")
    assert 'id="keys-button"' not in page(client, "admin:login")


def test_the_keys_that_are_told_are_those_that_work(admin_client: Client) -> None:
    script = (STATIC / "console.js").read_text().partition("const keys = {")[2].partition("};")[0]
    working = set(re.findall(r'^\s+"([^"]+)":', script, re.MULTILINE))
    assert len(working) == 6
    html = page(admin_client)
    names = {"Escape": "Esc"}
    told = written_keys(html) - places(html).keys() - {"Enter", "Space"}
    assert told == {names.get(key, key) for key in working}


def test_g_leads_to_each_place(admin_client: Client) -> None:
    found = places(page(admin_client))
    assert sorted(found) == ["c", "d", "i", "l"]
    assert found["l"] == reverse("admin:live")
    assert admin_client.get(found["c"]).status_code == 200
    assert admin_client.get(found["i"]).status_code == 200


def test_g_leads_nowhere_that_an_account_may_not_go(client: Client) -> None:
    user = get_user_model().objects.create_user("sam", password="x", is_staff=True)
    client.force_login(user)
    assert sorted(places(page(client, "admin:password_change"))) == ["d"]
    user.groups.add(Group.objects.get(name="Support"))
    assert sorted(places(page(client))) == ["c", "d", "i", "l"]


def test_a_page_that_fails_has_its_keys(admin_client: Client) -> None:
    html = admin_client.get("/admin/live/adds/", {"after": "x"}).content.decode()
    assert sorted(places(html)) == ["c", "d", "i", "l"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_make_no_markup_of_data(script: Path) -> None:
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|\bwrite\(|eval\(", script.read_text()
    )
    assert found == []


@pytest.mark.parametrize("name", ["admin:live", "admin:find"])
def test_nothing_is_inline(admin_client: Client, name: str) -> None:
    """The content security policy lets no inline script, handler or style run."""
    html = page(admin_client, name)
    assert not re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\son\w+=|\sstyle=", html)
