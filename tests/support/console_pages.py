"""The console's pages, for tests and pictures of all of them."""

from typing import NamedTuple
from uuid import UUID, uuid5

from tests.support.console_rows import (
    BIG_CART,
    DOOMED_CARTS,
    ERASED_CART,
    HOSTILE_CART,
    HOSTILE_TEXTS,
    letter,
)


class Place(NamedTuple):
    """A page and who opens it. `account` is empty for visitors who are not logged in."""

    path: str
    account: str = "admin"
    status: int = 200


def cart(cart_id: UUID) -> str:
    return f"/admin/tracker/cart/{cart_id}/change/"


def item(cart_id: UUID, product_id: str) -> str:
    """Return the URL of an item's page. Its key is computed (tracker/models.py, item_id)."""
    return f"/admin/tracker/item/{uuid5(cart_id, product_id)}/change/"


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
