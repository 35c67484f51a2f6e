"""The live view: the newest adds, and what its page asks for every two seconds.

An add is a product that is new in a cart, or one that was added again. Items have no index on the
latter, because it would make each such add write to all indexes. But every add updates its cart, so
the newest adds are in the carts with the last activity.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import BadRequest
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    JsonResponse,
)
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from tracker.cart_ids import short_code
from tracker.console.frame.links import cart_address
from tracker.console.frame.money import in_currency
from tracker.console.frame.site import page, render
from tracker.models import Cart, Item
from tracker.rows.times import EPOCH, from_us, to_us

MAX_ADDS = 100
# Each cart has an add at the time of its last activity, so no more carts are needed.
MAX_CARTS = MAX_ADDS
# All items of a cart are read to find the new ones. No shopper has a cart of this size.
MAX_ITEMS_READ = 50_000
# Several drains commit in no particular order. Rows with a time this much before the newest one are
# still found.
LOOK_BACK = timedelta(seconds=5)

_CURSOR = re.compile(r"(\d{1,17})-([0-9a-f]{16})", re.ASCII)


class CartState(NamedTuple):
    """A cart, with the columns that an add changes."""

    id: UUID
    updated_at: datetime
    item_count: int
    value: Any


class Cursor(NamedTuple):
    """What a page has seen: the time, and the state of the carts with activity shortly before.

    "Shortly" is LOOK_BACK. The cursor's text is opaque to the page.
    """

    newest: datetime
    digest: str

    def __str__(self) -> str:
        return f"{to_us(self.newest)}-{self.digest}"

    @property
    def begin(self) -> datetime:
        """Return the time from which on the page may lack adds."""
        return self.newest - LOOK_BACK


@page("live/", name="live", title="Live", permission="tracker.view_item")
@require_safe
def live(request: HttpRequest) -> HttpResponseBase:
    """Answer GET /admin/live/: the newest adds. The page's script updates them."""
    carts = _carts_since(EPOCH)
    return render(
        request,
        "admin/console/live.html",
        "Live",
        adds=_adds(carts, EPOCH),
        mark=_cursor(carts, EPOCH),
        limit=MAX_ADDS,
        now=timezone.now(),
    )


@page(
    "live/adds/",
    name="live_adds",
    title="Live",
    permission="tracker.view_item",
    in_menu=False,
)
@require_safe
def adds(request: HttpRequest) -> HttpResponse:
    """Answer GET /admin/live/adds/?after=<cursor>: {"mark": ..., "adds": [...]}, newest first.

    "mark" is the next cursor. 304 if no cart had activity since the cursor, which one read of an
    index shows. The adds are those after the cursor, at most MAX_ADDS, and some from shortly before
    it: the page finds the new ones by `id` and `at`. Without a cursor, they are the newest of all.
    Every open page calls this, so it writes nothing: no audit entry, no session.

    A repeated add that becomes a row after a newer one of the same cart, with the same price, is
    not noticed by itself. It comes with the next add of any cart, or without a cursor.

    Raises BadRequest for a wrong cursor.
    """
    cursor = _read(request.GET.get("after", ""))
    begin = cursor.begin if cursor else EPOCH
    carts = _carts_since(begin)
    if cursor and _digest(carts) == cursor.digest:
        return HttpResponseNotModified(headers={"ETag": f'"{cursor}"'})
    following = _cursor(carts, cursor.newest if cursor else EPOCH)
    found = {"mark": str(following), "adds": _adds(carts, begin)}
    return JsonResponse(found, headers={"ETag": f'"{following}"'})


def _carts_since(begin: datetime) -> list[CartState]:
    """Return the carts with activity from this time on, the newest first, from their index."""
    rows = Cart.objects.filter(updated_at__gte=begin).order_by("-updated_at", "-id")
    return [CartState(*row) for row in rows.values_list(*CartState._fields)[:MAX_CARTS]]


def _adds(carts: list[CartState], begin: datetime) -> list[dict[str, str]]:
    """Return the adds of these carts from this time on, the newest first, as shown."""
    if not carts:
        return []
    # Two steps instead of a join: with the keys, no statistics make a database read all items.
    rows = Item.objects.filter(cart_id__in=_cart_ids(carts), updated_at__gte=begin)
    return [_shown(item) for item in rows.order_by("-updated_at", "-id")[:MAX_ADDS]]


def _cart_ids(carts: list[CartState]) -> list[UUID]:
    """Return the newest carts with at most MAX_ITEMS_READ items together; at least one."""
    found, items = [carts[0].id], carts[0].item_count
    for cart in carts[1:]:
        items += cart.item_count
        if items > MAX_ITEMS_READ:
            break
        found.append(cart.id)
    return found


def _cursor(carts: list[CartState], newest: datetime) -> Cursor:
    """Return the cursor of a page that has seen these carts and all before `newest`."""
    if carts:  # A cart dated by a clock that is ahead must not hide other carts.
        newest = max(newest, min(carts[0].updated_at, timezone.now()))
    return Cursor(newest, _digest(cart for cart in carts if cart.updated_at >= newest - LOOK_BACK))


def _digest(carts: Iterable[CartState]) -> str:
    """Return a digest that changes whenever an add changes one of the carts."""
    return blake2b(
        repr([tuple(map(str, cart)) for cart in carts]).encode(), digest_size=8
    ).hexdigest()


def _read(text: str) -> Cursor | None:
    if not text:
        return None
    if not (found := _CURSOR.fullmatch(text)):
        raise BadRequest("The live view has not made this cursor. Ask without one.")
    return Cursor(from_us(int(found[1])), found[2])


def _shown(item: Item) -> dict[str, str]:
    """Return a row of the page for the template and the script. `at` sorts as text."""
    at = item.updated_at.astimezone(UTC)
    return {
        "id": str(item.id),
        "at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "day": f"{at:%Y-%m-%d}",
        "clock": f"{at:%H:%M:%S}",
        "again": "again" if item.updated_at > item.created_at else "",
        "product": item.product_id,
        "product_url": reverse("admin:tracker_item_change", args=[item.id]),
        "name": "-" if item.name is None else item.name,
        "price": in_currency(item.price),
        "cart": short_code(item.cart_id),
        "cart_url": cart_address(item.cart_id),
    }
