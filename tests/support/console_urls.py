"""Every address below /admin/, taken from the URL resolver, and an account of every role."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import URLPattern, get_resolver

from tracker.adds import Add, Record
from tracker.cart_ids import item_id
from tracker.console.models import AuditEntry
from tracker.models import Cart, DeadLetter
from tracker.rows import merge as store

CART = UUID("0d9c8b7a-1c2d-4e3f-8a5b-6c7d8e9f0a1b")

# From those who get nowhere to those who may do all. The first three are no staff.
ROLES = ("anonymous", "inactive", "customer", "staff", "support", "lead", "superuser")
OUTSIDERS = ROLES[:3]
_GROUPS = {"support": "Support", "lead": "Support lead"}


class Url(NamedTuple):
    """A URL. `name` is that of `admin:<name>`, or the route of one without a name."""

    name: str
    path: str


def make_rows() -> None:
    """Make a row of everything that has a page, so that no page answers 404."""
    store.merge([Record(Add(CART, "sku-1", name="Socks", price=5), 1)])
    DeadLetter.store("{}", "value too long")
    for action in (AuditEntry.Action.OPENED, AuditEntry.Action.ERASED):
        AuditEntry.objects.create(username="somebody", action=action, cart_id=CART, detail="why")
    Group.objects.get_or_create(name="Somebody's")
    User.objects.get_or_create(username="somebody")


def client_of(role: str, **options: Any) -> Client:
    """Return a client that is logged in with an account of this role."""
    client = Client(raise_request_exception=False, **options)
    if role != "anonymous":
        user, _ = User.objects.get_or_create(
            username=role,
            is_active=role != "inactive",
            is_staff=role not in OUTSIDERS,
            is_superuser=role == "superuser",
        )
        user.groups.set(Group.objects.filter(name=_GROUPS.get(role)))
        client.force_login(user)
    return client


def every_url() -> list[Url]:
    """Return every URL with sample arguments. Fails the test for a parameter without a sample."""
    (console,) = [each for each in get_resolver().url_patterns if str(each.pattern) == "admin/"]
    return [
        Url(pattern.name or route, f"/admin/{_filled(route)}") for route, pattern in _walk(console)
    ]


def _walk(resolver: Any, above: str = "") -> Iterator[tuple[str, URLPattern]]:
    for each in resolver.url_patterns:
        route = above + re.sub(r"^\^|\$$", "", str(each.pattern))
        if isinstance(each, URLPattern):
            yield route, each
        else:
            yield from _walk(each, route)


def _filled(route: str) -> str:
    """Fill in both forms of a route: <uuid:cart_id> and (?P<app_label>a|b)."""
    return re.sub(
        r"\(\?P<(?P<name>\w+)>[^)]*\)|<(?:\w+:)?(?P<other>\w+)>",
        lambda found: _sample(found["name"] or found["other"], route),
        route,
    )


def _sample(parameter: str, route: str) -> str:
    objects = {
        "r/<path:content_type_id>": lambda: CART,
        "tracker/cart": lambda: CART,
        "tracker/item": lambda: item_id(CART, "sku-1"),
        "tracker/deadletter": lambda: DeadLetter.objects.get().pk,
        "console/auditentry": lambda: AuditEntry.objects.get(action="erased").pk,
        "auth/group": lambda: Group.objects.get(name="Somebody's").pk,
        "auth/user": lambda: User.objects.get(username="somebody").pk,
    }
    samples: dict[str, Any] = {
        "object_id": objects.get("/".join(route.split("/")[:2])),
        "id": objects["auth/user"],
        "cart_id": lambda: CART,
        "entry_id": objects["console/auditentry"],
        "letter_id": objects["tracker/deadletter"],
        "name": lambda: "carts",
        "content_type_id": lambda: ContentType.objects.get_for_model(Cart).pk,
        "app_label": lambda: "tracker",
        "url": lambda: "nothing-here",
    }
    make = samples.get(parameter)
    if not make:
        pytest.fail(f"{route} has no sample for <{parameter}>: add one in {__file__}.")
    return str(make())
