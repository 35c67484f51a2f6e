"""The live view: the newest adds, drawn at once, and what its page asks for every two seconds.

An add is a product that is new in a cart, or one that was added again. Items have no index for the
latter, which would cost every such add an entry in all of them; but every add moves its cart, so
the newest adds are in the carts that moved last.
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
# Each of the carts that moved last has an add of that time: no more of them are needed.
MAX_CARTS = MAX_ADDS
# All items of a cart are looked at for those that moved. Carts of this many are no shopper's.
MAX_ITEMS_READ = 50_000
# Several drains commit their batches in no particular order: what becomes a row with a time that
# is so much before the newest one's is still found.
LOOK_BACK = timedelta(seconds=5)

_MARK = re.compile(r"(\d{1,17})-([0-9a-f]{16})", re.ASCII)


class Moved(NamedTuple):
    """A cart, and what an add changes of it."""

    id: UUID
    updated_at: datetime
    item_count: int
    value: Any


class Mark(NamedTuple):
    """What a page has seen: up to when, and how the carts were that had moved since LOOK_BACK
    before. As text it is opaque to the page.
    """

    newest: datetime
    digest: str

    def __str__(self) -> str:
        return f"{to_us(self.newest)}-{self.digest}"

    @property
    def begin(self) -> datetime:
        """What a page that has seen this may lack is no older."""
        return self.newest - LOOK_BACK


@page("live/", name="live", title="Live", permission="tracker.view_item")
@require_safe
def live(request: HttpRequest) -> HttpResponseBase:
    """GET /admin/live/: the newest adds as they are now; its script keeps them so."""
    carts = _moved(EPOCH)
    return render(
        request,
        "admin/console/live.html",
        "Live",
        adds=_adds(carts, EPOCH),
        mark=_mark(carts, EPOCH),
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
    """GET /admin/live/adds/?after=<mark>: {"mark": ..., "adds": [...]}, the newest add first.

    304 if no cart has moved since the mark, which one look into their index tells. The adds are
    those after the mark, at most MAX_ADDS, and some from shortly before it: whoever shows them
    tells by `id` and `at` which are new. Without a mark: the newest adds of all. Every open page
    calls this, so it writes nothing: no audit entry, no session.

    An add again that becomes a row after a newer one of the same cart, and costs the same, is
    not noticed by itself: it comes with the next add of any cart, or to who asks without a mark.

    Raises BadRequest for a mark that is none.
    """
    mark = _read(request.GET.get("after", ""))
    begin = mark.begin if mark else EPOCH
    carts = _moved(begin)
    if mark and _digest(carts) == mark.digest:
        return HttpResponseNotModified(headers={"ETag": f'"{mark}"'})
    following = _mark(carts, mark.newest if mark else EPOCH)
    found = {"mark": str(following), "adds": _adds(carts, begin)}
    return JsonResponse(found, headers={"ETag": f'"{following}"'})


def _moved(begin: datetime) -> list[Moved]:
    """The carts with activity from this time on, the last first; from the index for it."""
    rows = Cart.objects.filter(updated_at__gte=begin).order_by("-updated_at", "-id")
    return [Moved(*row) for row in rows.values_list(*Moved._fields)[:MAX_CARTS]]


def _adds(carts: list[Moved], begin: datetime) -> list[dict[str, str]]:
    """What came into these carts from this time on, the newest first, as it is shown."""
    if not carts:
        return []
    # Two steps, not a join: with the keys at hand, no statistics make a database read all items.
    rows = Item.objects.filter(cart_id__in=_within_reach(carts), updated_at__gte=begin)
    return [_shown(item) for item in rows.order_by("-updated_at", "-id")[:MAX_ADDS]]


def _within_reach(carts: list[Moved]) -> list[UUID]:
    """The newest of them that have no more than MAX_ITEMS_READ items together; at least one."""
    reached, items = [carts[0].id], carts[0].item_count
    for cart in carts[1:]:
        items += cart.item_count
        if items > MAX_ITEMS_READ:
            break
        reached.append(cart.id)
    return reached


def _mark(carts: list[Moved], newest: datetime) -> Mark:
    """For who has seen all of these carts, and what was before `newest`."""
    if carts:  # A time from a clock that is ahead must not hide what the others say.
        newest = max(newest, min(carts[0].updated_at, timezone.now()))
    return Mark(newest, _digest(cart for cart in carts if cart.updated_at >= newest - LOOK_BACK))


def _digest(carts: Iterable[Moved]) -> str:
    """Another one whenever an add has changed something of them."""
    return blake2b(
        repr([tuple(map(str, cart)) for cart in carts]).encode(), digest_size=8
    ).hexdigest()


def _read(text: str) -> Mark | None:
    if not text:
        return None
    if not (found := _MARK.fullmatch(text)):
        raise BadRequest("This mark is none that the live view has made. Ask without one.")
    return Mark(from_us(int(found[1])), found[2])


def _shown(item: Item) -> dict[str, str]:
    """A row of the page, as its first drawing and its script write it. `at` sorts as text."""
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
