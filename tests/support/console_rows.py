"""The pages, accounts and rows that a browser sees; the rows are made in a process of their own.

Playwright runs an event loop in the tests' thread, where Django refuses to use its models.
`python -m tests.support.console_rows NAME...` makes the parts named, in the environment's database,
and prints the accounts' sessions as JSON. Idempotent.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

from tracker.cart_ids import item_id

if TYPE_CHECKING:
    from tracker.adds import Record

PASSWORD = "correct horse battery staple"
# Account -> its group; the first one may do all.
ACCOUNTS = {"admin": "", "support": "Support", "lead": "Support lead"}

BIG_CART = UUID("b19ca47e-1f2e-4d3c-8b4a-59687786a5b4")
BIG_CART_ITEMS = 20_000
SMALL_CART = UUID("0d9c8b7a-1c2d-4e3f-8a5b-6c7d8e9f0a1b")
HOSTILE_CART = UUID("01234567-1c2d-4e3f-8a5b-6c7dbad0cafe")
DOOMED_CARTS = [uuid5(NAMESPACE_OID, f"doomed-{number}") for number in range(3)]
ERASED_CART = uuid5(NAMESPACE_OID, "erased")
# Two that share their short code.
TWIN_CARTS = [
    UUID("00000001-0000-4000-8000-00007715c0de"),
    UUID("00000002-0000-4000-8000-00007715c0de"),
]
MANY_CARTS = [uuid5(NAMESPACE_OID, f"cart-{number}") for number in range(1000)]

BOOTS = ["winter-boots", "winter-boots-41", "winter-boots-42", "Winter-Boots"]
HOSTILE_TEXTS = [
    "<script>alert('markup')</script>",
    "<img src=x onerror=alert('image')>",
    "\"><svg onload=alert('svg')>",
    "{{ 7|add:7 }}{% debug %}",
    "javascript:alert('link')",
    "\u202egnp.exe\u202c \u2067right to left\u2069 \u0645\u0631\u062d\u0628\u0627",
    "=HYPERLINK(\"http://evil.example\")",
    "W" * 250,
    "line\nbreak\ttab\u0007bell",
]  # fmt: skip

_NAMES = (
    "Blue socks",
    "Rain jacket",
    "Tea pot",
    "Desk lamp",
    "Wool blanket",
    "Cork board",
    "Kettle",
)


def accounts() -> None:
    from django.contrib.auth.models import Group, User

    for name, group in ACCOUNTS.items():
        if not User.objects.filter(username=name).exists():
            user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
            user.is_superuser = not group
            user.save()
            user.groups.set(Group.objects.filter(name=group))


def sessions() -> dict[str, str]:
    """Log all accounts in. Return the cookie of each, so that most tests skip the form."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    found = {}
    for user in User.objects.filter(username__in=ACCOUNTS):
        client = Client()
        client.force_login(user)
        found[user.username] = client.cookies[settings.SESSION_COOKIE_NAME].value
    return found


def small() -> None:
    """Make twenty items of the last minutes."""
    _merge((SMALL_CART, f"sku-{number}", _name(number), number * 60) for number in range(20))


def big() -> None:
    """Make a large cart that was filled over five days and left three weeks ago."""
    _merge(
        (BIG_CART, f"bulk-{number:05}", _name(number), 20 * 86400 + number * 20)
        for number in range(BIG_CART_ITEMS)
    )


def many() -> None:
    """Make a thousand carts of one item, the newest three hours old: idle and stale ones."""
    _merge(
        (cart_id, f"one-{number:04}", _name(number), 3 * 3600 + number * 120)
        for number, cart_id in enumerate(MANY_CARTS)
    )


def found() -> None:
    """Make what the search is tried with."""
    _merge((cart_id, "twin", "Twin", 900) for cart_id in TWIN_CARTS)
    _merge((uuid5(NAMESPACE_OID, name), name, "Boots", 800) for name in BOOTS)


def doomed() -> None:
    """Make carts to erase."""
    _merge(
        (cart_id, f"doomed-{number}", "Doomed", 700)
        for cart_id in DOOMED_CARTS
        for number in range(3)
    )


def erased() -> None:
    """Make a receipt: the first entry of the audit log, if the database is empty."""
    from django.contrib.auth.models import User

    from tracker.console.erasing import erasures

    _merge([(ERASED_CART, "erased", "Erased", 600)])
    begun = erasures.begin(User.objects.get(username="lead"), ERASED_CART, HOSTILE_TEXTS[0])
    erasures.carry_out(begun, ERASED_CART)


def hostile() -> None:
    """Make products with hostile names, the newest and the most added ones."""
    for cart_id in (HOSTILE_CART, *MANY_CARTS[:5]):
        _merge((cart_id, text, text, number) for number, text in enumerate(HOSTILE_TEXTS))


def letters() -> None:
    """Make dead letters: hostile ones, and as the last one a corrupt one."""
    from tracker.adds import Add
    from tracker.intake.record import dump
    from tracker.models import DeadLetter

    lines = [dump(Add(HOSTILE_CART, text, name=text), 1).decode() for text in HOSTILE_TEXTS]
    for number, line in enumerate([*lines, "<b>no record</b>"]):
        values = {"record": line, "error": f"value too long: {line}"}
        DeadLetter.objects.get_or_create(id=letter(number), defaults=values)


def letter(number: int) -> UUID:
    return uuid5(NAMESPACE_OID, f"letter-{number}")


def _name(number: int) -> str:
    return f"{_NAMES[number % len(_NAMES)]} no. {number // len(_NAMES) + 1}"


def _merge(rows: Iterable[tuple[UUID, str, str, float]]) -> None:
    """Merge rows of cart, product id, name (which decides the price) and age in seconds."""
    from tracker.rows import merge as store

    store.merge(_records(rows))


def _records(rows: Iterable[tuple[UUID, str, str, float]]) -> Iterator["Record"]:
    from tracker.adds import Add, Record

    now_ns = time.time_ns()
    for cart_id, product_id, name, age_s in rows:
        price = 199 + sum(name.encode()) % 90 * 100
        version = now_ns - int(age_s * 1e9)
        yield Record(Add(cart_id, product_id, name=name, price=price), version)


class Place(NamedTuple):
    """A page and who opens it. `account` is empty for visitors who are not logged in."""

    path: str
    account: str = "admin"
    status: int = 200


def cart(cart_id: UUID) -> str:
    return f"/admin/tracker/cart/{cart_id}/change/"


def item(cart_id: UUID, product_id: str) -> str:
    """Return the URL of an item's page. Its key is computed (tracker/cart_ids.py)."""
    return f"/admin/tracker/item/{item_id(cart_id, product_id)}/change/"


PLACES = {
    "login": Place("/admin/login/", account=""),
    "dashboard": Place("/admin/"),
    "carts": Place("/admin/tracker/cart/"),
    "cart": Place(cart(BIG_CART)),
    "hostile-cart": Place(cart(HOSTILE_CART)),
    "erase": Place(f"/admin/erase/{DOOMED_CARTS[2]}/"),
    "items": Place("/admin/tracker/item/"),
    "erased": Place(f"/admin/erase/{ERASED_CART}/receipt/1/"),
    "item": Place(item(HOSTILE_CART, HOSTILE_TEXTS[0])),
    "find": Place("/admin/find/"),
    "nothing-found": Place("/admin/find/?q=nothing"),
    "failure": Place(cart(UUID(int=5)), status=404),
    "no-permission": Place("/admin/auth/user/", account="support", status=403),
    "audit": Place("/admin/console/auditentry/"),
    "live": Place("/admin/live/"),
    "refusals": Place("/admin/refusals/"),
    "letters": Place("/admin/tracker/deadletter/"),
    "letter": Place(f"/admin/tracker/deadletter/{letter(0)}/change/"),
    "replay-all": Place("/admin/deadletters/replay/"),
    "password": Place("/admin/password_change/"),
    "app": Place("/admin/tracker/"),
    "users": Place("/admin/auth/user/"),
    "groups": Place("/admin/auth/group/"),
}


_IN_ORDER = (accounts, erased, small, big, many, found, doomed, hostile, letters)
PARTS = {part.__name__: part for part in _IN_ORDER}


def main() -> None:
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
    django.setup()
    for name in sys.argv[1:]:
        PARTS[name]()
    sys.stdout.write(json.dumps(sessions()))


if __name__ == "__main__":
    main()
