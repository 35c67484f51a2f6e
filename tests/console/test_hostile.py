"""The console shows texts of shops and strangers as text, on every page."""

import time
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.console.test_headers import Inline
from tests.support.console_urls import client_of
from tracker.adds import MAX_NAME_CHARS, MAX_PRODUCT_ID_CHARS, Add, Record
from tracker.cart_ids import item_id
from tracker.models import DeadLetter
from tracker.rows import merge as store

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

CART = UUID("bad0cafe-1c2d-4e3f-8a5b-6c7d8e9f0a1b")
TEXTS = [
    "<script>alert(1)</script>",
    "</script></style></textarea></title><img src=x onerror=alert(1)>",
    "\"><svg/onload=alert(1)><a x='",
    "' onmouseover='alert(1)' x='",
    "<!-- <base href=//evil.example> <form action=//evil.example>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &amp;amp;",
    "{{ 7|add:7 }}{% debug %}{# #}",
    "%s %(name)s {0} {cart.__class__}",
    "javascript:alert(1)",
    "\u202etxt.exe\u202c \u2067\u0645\u0631\u062d\u0628\u0627\u2069\u200b\ufeff",
    '=HYPERLINK("http://evil.example")',
    "@SUM(1)|calc",
    "W" * 1000,
    "\U0001f9e6 \ufdfd \uffff",
    "line\r\nSet-Cookie: evil=1\r\n\r\nbreak\ttab\x1b[31m\x07",
    "../../../etc/passwd?x=1&y=2#z",
    "'; DROP TABLE tracker_item; --",
]
PLAIN = "plain"


class Reading(HTMLParser):
    """A page as a browser parses it: elements with the names of their attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[str]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "br":  # The page of an item shows line breaks so.
            self.elements.append((tag, [name for name, _ in attrs]))
        values = [value or "" for name, value in attrs if name in ("value", "title")]
        self.text += "".join(f" {value} " for value in values)

    def handle_data(self, data: str) -> None:
        self.text += data


def spaced(text: str) -> str:
    return " ".join(text.split())


def fill(text: str) -> str:
    """Make an item with this id and name, and a dead letter about it. Return the id."""
    product = text[:MAX_PRODUCT_ID_CHARS]
    add = Add(CART, product, name=text[:MAX_NAME_CHARS], price=5)
    store.merge([Record(add, time.time_ns())])
    DeadLetter.store(f'{{"name": "{text}"}}', f"value too long: {text}")
    return product


def pages(product: str) -> dict[str, str]:
    """Return the pages that show it. Some show only the id, which is shorter than a name."""
    item = reverse("admin:tracker_item_change", args=[item_id(CART, product)])
    letter = reverse("admin:tracker_deadletter_change", args=[DeadLetter.objects.get().pk])
    lists = {name: reverse(f"admin:tracker_{name}_changelist") for name in ("item", "cart")}
    asked = quote(product, safe="")
    key = quote(spaced(product), safe="")  # No page has a line break in its address.
    return {
        "item list": lists["item"],
        "item search": f"{lists['item']}?q={asked}",
        "item search, nothing found": f"{lists['item']}?q=not-{asked}",
        "cart list by product": f"{lists['cart']}?product={asked}",
        "cart page": reverse("admin:tracker_cart_change", args=[CART]),
        "item page": item,
        "item history": reverse("admin:tracker_item_history", args=[item_id(CART, product)]),
        "find": f"{reverse('admin:find')}?q={asked}",
        "find, nothing found": f"{reverse('admin:find')}?q=not-{asked}",
        "no such cart": f"{lists['cart']}{key}/change/",
        "no such item": f"{lists['item']}{key}/change/",
        "live": reverse("admin:live"),
        "dashboard": reverse("admin:dashboard"),
        "dead letters": reverse("admin:tracker_deadletter_changelist"),
        "dead letter": letter,
        "erase": reverse("admin:erase", args=[CART]),
    }


def read(text: str) -> dict[str, tuple[Reading, str]]:
    product = fill(text)
    client = client_of("superuser")
    found = {}
    for name, address in pages(product).items():
        reply = client.get(address, follow=True)
        assert reply.status_code in (200, 404), (name, reply.status_code)
        found[name] = Reading(reply.content.decode()), reply.content.decode()
    return found


@pytest.fixture(scope="module")
def plain(django_db_setup: None, django_db_blocker: Any) -> dict[str, list[tuple[str, list[str]]]]:
    """Return the elements of each page when it shows a harmless text."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        found = {name: reading.elements for name, (reading, _) in read(PLAIN).items()}
        transaction.set_rollback(True)
    return found


# These pages do not show the text.
SHOW_NOTHING = {"no such cart", "no such item", "erase", "item history"}


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_text_everywhere_and_never_an_element(text: str, plain: dict[str, Any]) -> None:
    for name, (reading, page) in read(text).items():
        assert Inline(page).found == [], name
        assert reading.elements == plain[name], name
        if name not in SHOW_NOTHING:
            assert spaced(text[:MAX_PRODUCT_ID_CHARS]) in spaced(reading.text), name


@pytest.mark.parametrize("text", TEXTS)
def test_no_browser_takes_the_live_views_json_for_a_page(text: str) -> None:
    fill(text)
    reply = client_of("superuser").get(reverse("admin:live_adds"))
    assert reply.json()["adds"][0]["name"] == text[:MAX_NAME_CHARS]
    assert reply["Content-Type"] == "application/json"
    assert reply["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("text", TEXTS)
def test_the_audit_log_shows_what_was_searched_for_as_text(text: str) -> None:
    client = client_of("superuser")
    client.get(reverse("admin:find"), {"q": text})
    page = client.get(reverse("admin:console_auditentry_changelist")).content.decode()
    assert Inline(page).found == []
    assert spaced(text[:300]) in spaced(Reading(page).text)


@pytest.mark.parametrize("text", TEXTS)
def test_the_name_of_an_account_is_shown_as_text(text: str) -> None:
    user = User.objects.create(username=text[:150], is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    for name in ("index", "auth_user_changelist"):
        page = client.get(reverse(f"admin:{name}")).content.decode()
        assert Inline(page).found == []
        assert spaced(text[:150]) in spaced(Reading(page).text)


@pytest.mark.parametrize(
    "typed", ["x\r\nSet-Cookie: evil=1", "x\nLocation: //evil.example", "x%0d%0aSet-Cookie:evil=1"]
)
def test_what_is_typed_adds_no_header(typed: str) -> None:
    """Django's redirects refuse line breaks, so the console must encode them."""
    fill(typed.strip())
    reply = client_of("superuser").get(reverse("admin:find"), {"q": typed})
    assert reply.status_code == 302
    assert reply["Location"].startswith(reverse("admin:tracker_item_changelist"))
    assert not {"\r", "\n"} & set("".join(reply.headers.values()))
    assert "evil" not in reply.cookies


def test_a_search_does_not_redirect_to_another_site() -> None:
    fill("//evil.example")
    reply = client_of("superuser").get(reverse("admin:find"), {"q": "//evil.example"})
    assert reply["Location"].startswith("/admin/")


@pytest.mark.parametrize(
    "name", ["q", "product", "state", "age", "action__exact", "after", "before", "o", "p", "x"]
)
@pytest.mark.parametrize("value", ["\0", "\ud800", "%", "' OR 1=1 --", "-1", "9" * 40, "W" * 3000])
def test_no_parameter_of_an_address_breaks_a_list(name: str, value: str) -> None:
    client = client_of("superuser")
    asked = quote(value.encode("utf-8", "surrogatepass"), safe="")
    for model in ("tracker_cart", "tracker_item", "tracker_deadletter", "console_auditentry"):
        reply = client.get(f"{reverse(f'admin:{model}_changelist')}?{name}={asked}")
        assert reply.status_code in (200, 302, 400), model


@pytest.mark.parametrize("value", ["\0", "\ud800", "%", "-1", "9" * 40, "W" * 3000, "\r\n"])
def test_no_id_in_an_address_breaks_a_page(value: str) -> None:
    client = client_of("superuser")
    asked = quote(value.encode("utf-8", "surrogatepass"), safe="")
    models = ["tracker_cart", "tracker_item", "tracker_deadletter", "console_auditentry"]
    for model in (*models, "auth_user", "auth_group"):
        for page in ("change", "history"):
            path = reverse(f"admin:{model}_{page}", args=["ID"]).replace("ID", asked)
            assert client.get(path).status_code in (302, 400, 404), path
