"""A list accepts the parameters that it offers, and refuses all others with a readable page."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from tests.console.test_failures import assert_readable
from tests.support.console_urls import client_of, make_rows
from tracker.adds import Add, Record
from tracker.console.frame.site import ConsoleSite
from tracker.console.models import AuditEntry
from tracker.models import Cart, DeadLetter
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
IDS = [model._meta.label for model in MODELS]

# FREE_TEXTS take any text. A bad mark has its own message.
FREE_TEXTS = {"q", "product"}
MARKS = {"after", "before"}


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture
def client() -> Client:
    """Return a superuser's client, and make more than one page of each kind of row."""
    make_rows()
    found = client_of("superuser")
    store.merge([Record(Add(uuid4(), f"sku-{n}"), n + 2) for n in range(60)])
    User.objects.bulk_create(User(username=f"user-{n}") for n in range(120))
    for number in range(60):
        DeadLetter.store(f"{number}", "value too long")
    AuditEntry.objects.bulk_create(
        AuditEntry(username="somebody", action=AuditEntry.Action.OPENED) for _ in range(60)
    )
    return found


def undeclared(model: type[Model]) -> Iterator[tuple[str, str]]:
    """Yield look-ups of every column, also through relations, and Django's own parameters."""
    for field in model._meta.get_fields():
        for end in ("", "__regex", "__iregex", "__icontains", "__gt", "__startswith"):
            yield f"{field.name}{end}", "(a+)+$"
        yield f"{field.name}__in", ",".join(map(str, range(5000)))
        if field.related_model and field.related_model != "self":
            for other in field.related_model._meta.get_fields():
                yield f"{field.name}__{other.name}__regex", "(a+)+$"
    yield from [("e", "1"), ("_popup", "1"), ("_to_field", "id"), ("nonsense", "1"), ("", "1")]
    yield from [("pk", "1"), ("pk__in", "1"), ("<b>bold</b>", "1"), ("\0", "1"), ("x" * 9000, "1")]
    keyset = admin.site.get_model_admin(model).list_max_show_all == 0
    yield from [(name, "1") for name in (("o", "p", "all", "_facets") if keyset else MARKS)]


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_what_a_list_does_not_declare_is_refused(model: type[Model], client: Client) -> None:
    for name, value in undeclared(model):
        page = client.get(list_of(model), {name: value})
        shown = name[:60].replace("\0", "\ufffd")
        assert page.status_code == 400, name
        assert f"no parameter “{shown}" in unescape(page.content.decode()), name


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_every_link_of_a_list_works(model: type[Model], client: Client) -> None:
    address = list_of(model)
    for link in links(client, address):
        assert client.get(address + link).status_code == 200, link


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_a_bad_value_and_a_second_one_are_refused(model: type[Model], client: Client) -> None:
    declared = offered(client, list_of(model))
    assert declared
    for name, value in declared.items():
        values = ["nonsense", "-9", "1_0", "²", "9" * 40, " ", "1,2"]
        for bad in [] if name in FREE_TEXTS else values:
            page = client.get(list_of(model), {name: bad})
            says = "begin at the first page" if name in MARKS else f"“{name}” can't be “{bad}”"
            assert (page.status_code, bad) == (400, bad), name
            assert says in unescape(page.content.decode())
        assert client.get(list_of(model), {name: f"{value}\0"}).status_code == 400, name
        page = client.get(list_of(model), {name: [value, value]})
        assert_readable(page, 400, f"“{name}” is given 2 times")


def links(client: Client, address: str) -> list[str]:
    page = client.get(address).content.decode()
    found = {unescape(link) for link in re.findall(r'href="(\?[^"]*)"', page)}
    return sorted(found)


def offered(client: Client, address: str) -> dict[str, str]:
    """Return the parameters of a list's links and forms, each with one of its values."""
    page = client.get(address).content.decode()
    names = re.findall(r'name="(\w+)"[^>]*id="searchbar"', page)
    names += re.findall(r'<input id="filter-\w+" name="(\w+)"', page)
    found = dict.fromkeys(names, "a")
    for link in links(client, address):
        found |= dict(parse_qsl(link[1:]))
    return found


def test_the_page_says_what_to_use_instead(client: Client) -> None:
    page = client.get(list_of(Cart), {"state": "nonsense"})
    assert_readable(page, 400, "Use one of: active, idle, stale.")
    assert_readable(page, 400, "Remove it from the address")


def test_a_search_that_redirects_refuses_parameters_too(client: Client) -> None:
    """A search for one cart redirects to it, so the list is not rendered."""
    code = Cart.objects.order_by("-updated_at")[0].id.hex[-8:]
    assert client.get(list_of(Cart), {"q": code}).status_code == 302
    assert client.get(list_of(Cart), {"q": code, "id__regex": "a"}).status_code == 400


@pytest.mark.parametrize("name", ["carts", "items"])
@pytest.mark.parametrize(
    "query",
    [
        "cart__id__regex=a",
        "name__regex=a",
        "items__name=x",
        "q=a&q=b",
        "q=%00",
        "e=1",
        "price__gte=x",
    ],
)
def test_an_export_refuses_what_its_list_refuses(name: str, query: str, client: Client) -> None:
    parameter = query.partition("=")[0]
    reply = client.post(f"{reverse('admin:export', args=[name])}?{query}")
    assert_readable(reply, 400, f"“{parameter}”")
    with pytest.raises(CommandError, match=f"--query: .*“{parameter}”"):
        call_command("export", name, query=query)
    assert not AuditEntry.objects.filter(action="exported").exists()


def test_an_admin_that_is_added_later_is_checked_too(rf: RequestFactory) -> None:
    """Register one with options and one without."""
    site = ConsoleSite()
    site.register(Permission)
    site.register(ContentType, admin.ModelAdmin, list_filter=["app_label"])
    for model in (Permission, ContentType):
        made, asked = site.get_model_admin(model), [rf.get("/"), rf.get("/?id__regex=(a%2B)%2B$")]
        for request in asked:
            request.user = User(is_superuser=True, is_active=True)
        made.get_changelist_instance(asked[0])
        with pytest.raises(BadRequest, match="no parameter “id__regex”"):
            made.get_changelist_instance(asked[1])


def test_no_form_looks_up_the_rows_of_a_relation(client: Client) -> None:
    """Django's view for autocompletion accepts any relation, so the console has none."""
    assert not any(each.autocomplete_fields for each in admin.site._registry.values())
    asked = {"app_label": "tracker", "model_name": "item", "field_name": "cart", "term": "a"}
    assert client.get(reverse("admin:autocomplete"), asked).status_code == 404


LONG = ["a " * 4000, "W" * 60_000, "'" * 5000, "\\" * 5000, "%" * 5000, "\0", "\0" * 5000]


@pytest.mark.parametrize("value", LONG, ids=range(len(LONG)))
def test_no_text_is_too_much(value: str, client: Client) -> None:
    """SQLite limits the parts of a condition and the length of a pattern. PostgreSQL has no NUL."""
    texts = [
        *((list_of(model), "q") for model in MODELS),
        (list_of(Cart), "product"),
        (reverse("admin:find"), "q"),
        (reverse("admin:refusals"), "code"),
        (reverse("admin:refusals"), "origin"),
        (reverse("admin:dashboard"), "window"),
        (reverse("admin:live_adds"), "after"),
        (reverse("admin:auth_user_add"), "groups"),
        (reverse("admin:auth_user_change", args=[User.objects.first().pk]), "_to_field"),  # type: ignore[union-attr]
        (reverse("admin:auth_user_change", args=[1]), "_changelist_filters"),
        (reverse("admin:auth_group_history", args=[1]), "p"),
        (reverse("admin:login"), "next"),
    ]
    for address, name in texts:
        page = client.get(f"{address}?{urlencode({name: value})}")
        assert page.status_code in (200, 302, 400, 404), (address, name)


def test_more_parameters_than_django_reads_are_a_page(client: Client) -> None:
    assert_readable(client.get(list_of(Cart) + "?" + "a=1&" * 2000), 400, "not right")
