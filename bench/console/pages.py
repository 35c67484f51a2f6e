"""The pages of the console to measure, and the rows of a database to show on them.

Imports Django's models, so set Django up before importing this.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, QuerySet
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from tracker.console.lists.paging import Keyset
from tracker.models import Cart, Item

ROWS_PER_PAGE = 50
_NOTHING = "no-such-product"
_CARTS, _ITEMS = Keyset("-updated_at", "-id"), Keyset("-created_at", "-id")


class Facts(NamedTuple):
    """Rows of one database to ask for. `cursors`: by a page's name, where that page begins."""

    popular: str
    rare: str
    prefix: str
    small_cart: UUID
    large_cart: UUID
    cursors: dict[str, str]


Address = Callable[[Facts], str]


class Case(NamedTuple):
    """One request to the console, and the request to a stock admin that shows the same, if any.

    The answer to a POST is streamed: it is read to the end of the first chunk of rows.
    """

    name: str
    address: Address
    stock: Address | None = None
    is_post: bool = False


def facts(client: Client) -> Facts:
    """Return the facts of the database that is the default now."""
    sold = Item.objects.values("product_id").annotate(sold=Count("id"))
    popular = sold.order_by("-sold", "product_id")[0]["product_id"]
    carts, items = Cart.objects.all(), Item.objects.all()
    large = carts.order_by("-item_count")[0].id
    cursors = {f"cart {page}": _cursor(_CARTS, carts, page) for page in (2, 40)}
    cursors |= {f"item {page}": _cursor(_ITEMS, items, page) for page in (2, 40)}
    cursors["in cart"] = _cursor(_ITEMS, items.filter(cart_id=large), 2)
    cursors["live"] = _live_cursor(client)
    return Facts(
        popular=popular,
        rare=sold.order_by("sold", "product_id")[0]["product_id"],
        prefix=popular.rpartition("-")[0],
        small_cart=carts.filter(item_count=5).order_by("-updated_at")[0].id,
        large_cart=large,
        cursors=cursors,
    )


def _cursor(keyset: Keyset, rows: QuerySet[Any], page: int) -> str:
    cursor = None
    for _ in range(page - 1):
        cursor = keyset.page(rows, size=ROWS_PER_PAGE, after=cursor).older
    assert cursor, f"there is no page {page}"
    return cursor


def _live_cursor(client: Client) -> str:
    try:
        return str(client.get(reverse("admin:live_adds")).json()["mark"])
    except NoReverseMatch:
        return ""


def cases() -> Iterator[Case]:
    yield from _dashboard()
    yield from _lists()
    yield from _filters()
    yield from _found()
    yield from _searches("cart")
    yield from _searches("item")
    yield from _carts()
    yield from _live()
    yield from _exports()


def _dashboard() -> Iterator[Case]:
    for window in ("24h", "7d", "30d"):
        yield Case(f"dashboard, {window}", _to("dashboard", window=window))


def _lists() -> Iterator[Case]:
    for model in ("cart", "item"):
        name = f"tracker_{model}_changelist"
        yield Case(f"{model} list", _to(name), _to(name, site="stock"))
        for page in (2, 40):
            ours = _to_made(name, partial(_after, f"{model} {page}"))
            yield Case(f"{model} list, page {page}", ours, _to(name, site="stock", p=page))


def _filters() -> Iterator[Case]:
    name = "tracker_cart_changelist"
    for state in ("active", "idle", "stale"):
        yield Case(f"carts that are {state}", _to(name, state=state))
    week = str(timezone.now() - timedelta(days=7))
    for age in ("1h", "24h", "7d", "30d", "older"):
        stock = _to(name, site="stock", updated_at__gte=week) if age == "7d" else None
        yield Case(f"carts of age {age}", _to(name, age=age), stock)
    yield Case("carts with a popular product", _to_made(name, lambda of: {"product": of.popular}))
    yield Case("carts with a rare product", _to_made(name, lambda of: {"product": of.rare}))


_TERMS: dict[str, Callable[[Facts], str]] = {
    "a cart's id": lambda of: str(of.small_cart),
    "a short code": lambda of: of.small_cart.hex[:8],
    "a popular product": lambda of: of.popular,
    "a rare product": lambda of: of.rare,
    "a product's beginning": lambda of: of.prefix,
    "nothing": lambda _: _NOTHING,
}


def _found() -> Iterator[Case]:
    for what, term in _TERMS.items():
        yield Case(f"find {what}", _to_made("find", partial(_asking, term)))


def _searches(model: str) -> Iterator[Case]:
    name = f"tracker_{model}_changelist"
    for what, term in _TERMS.items():
        query = partial(_asking, term)
        stock = None if what == "a short code" else _to_made(name, query, site="stock")
        yield Case(f"search {model}s for {what}", _to_made(name, query), stock)


def _carts() -> Iterator[Case]:
    yield Case(
        "cart of 5 items",
        partial(_cart, "small_cart", "admin"),
        partial(_cart, "small_cart", "stock"),
    )
    large = partial(_cart, "large_cart", "admin")
    yield Case("the largest cart", large, partial(_cart, "large_cart", "stock"))
    yield Case(
        "the largest cart, page 2", lambda of: f"{large(of)}?{urlencode(_after('in cart', of))}"
    )


def _live() -> Iterator[Case]:
    yield Case("live view", _to("live"))
    yield Case("live view's poll, nothing new", _to_made("live_adds", partial(_after, "live")))
    yield Case("live view's poll, all new", _to("live_adds"))


def _exports() -> Iterator[Case]:
    for name in ("carts", "items"):
        yield Case(f"export of {name}, first chunk", partial(_export, name), is_post=True)


# -- Addresses -------------------------------------------------------------------------------------
def _after(page: str, of: Facts) -> dict[str, str]:
    return {"after": of.cursors[page]}


def _asking(term: Callable[[Facts], str], of: Facts) -> dict[str, str]:
    return {"q": term(of)}


def _cart(which: str, site: str, of: Facts) -> str:
    return reverse(f"{site}:tracker_cart_change", args=[getattr(of, which)])


def _export(name: str, of: Facts) -> str:
    return reverse("admin:export", args=[name])


def _to(name: str, *, site: str = "admin", **query: Any) -> Address:
    return _to_made(name, lambda _: query, site=site)


def _to_made(
    name: str, query: Callable[[Facts], dict[str, Any]], *, site: str = "admin"
) -> Address:
    return lambda of: f"{reverse(f'{site}:{name}')}?{urlencode(query(of))}"
