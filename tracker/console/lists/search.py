"""What a support person looks for: the term's form decides, and each form has one look-up.

Never an OR of several: one branch without an index would read the whole table.
"""

import re
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from tracker.cart_ids import SHORT_CODE_DIGITS
from tracker.console.lists.paging import Keyset
from tracker.models import Cart, Item

# Anywhere in what was pasted: an address, a log line, a mail.
_CART_ID = re.compile(
    r"(?<![0-9a-f])([0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})(?![0-9a-f])",
    re.ASCII | re.IGNORECASE,
)
_SHORT_CODE = re.compile(r"#?([0-9a-f]{8})", re.ASCII | re.IGNORECASE)

_NEWEST_FIRST = Keyset("-created_at", "-id")
# An index finds a cart's items, and no index has them in this order: they are sorted.
OF_A_CART = Keyset("-created_at", "-id", is_sorted=True)
# As their index has them: products that begin alike stand side by side.
_BY_PRODUCT = Keyset("product_id", "created_at", "id")


class Term(NamedTuple):
    """What was typed, read: a cart's id, or a short code, or a product's id, or nothing.

    What reads as a short code may be a product's id all the same, so that is set as well.
    """

    cart_id: UUID | None = None
    short_code: str = ""
    product_id: str = ""


def read(typed: str) -> Term:
    """Never an error: what is no id of a cart is a product's id, as long as it is something."""
    typed = typed.replace("\0", "")
    together = "".join(typed.split())
    if found := _CART_ID.search(together):
        return Term(cart_id=UUID(found[1]))
    if found := _SHORT_CODE.fullmatch(together):
        return Term(short_code=found[1].lower(), product_id=typed.strip())
    return Term(product_id=typed.strip())


def carts(term: Term, rows: QuerySet[Cart]) -> QuerySet[Cart]:
    """The carts that a term means; those that hold a product, if it is one's id."""
    if term.cart_id or named(term).exists():
        return rows.filter(_named(term))
    if term.product_id:
        return rows.filter(items__product_id=term.product_id)
    return rows


def named(term: Term) -> QuerySet[Cart]:
    """The carts with this id or this code: none if the term is neither."""
    is_name = term.cart_id or term.short_code
    return Cart.objects.filter(_named(term)) if is_name else Cart.objects.none()


def _named(term: Term, column: str = "id") -> Q:
    """The condition on a cart's id, or on a column that refers to it, as the term gives it."""
    if term.cart_id:
        return Q(**{column: term.cart_id})
    low, high = short_code_range(term.short_code)
    return Q(**{f"{column}__gte": low, f"{column}__lte": high})


def items(term: Term, rows: QuerySet[Item]) -> tuple[QuerySet[Item], Keyset]:
    """The items that a term means, and the order in which an index has them.

    A product's id as it stands; if there is none, all that begin with it.
    """
    if term.cart_id or term.short_code:
        found = rows.filter(_named(term, "cart_id"))
        if term.cart_id or found.exists():
            return found, OF_A_CART
    if not term.product_id:
        return rows, _NEWEST_FIRST
    if Item.objects.filter(product_id=term.product_id).exists():
        return rows.filter(product_id=term.product_id), _NEWEST_FIRST
    return rows.filter(begins_with(term.product_id)), _BY_PRODUCT


def short_code_range(code: str) -> tuple[UUID, UUID]:
    """The lowest and the highest id with this code."""
    rest = 32 - SHORT_CODE_DIGITS
    return UUID(code + "0" * rest), UUID(code + "f" * rest)


def begins_with(text: str) -> Q:
    """Whether a product's id begins so, in the form that each database's index serves.

    PostgreSQL's serves LIKE 'text%', SQLite's (whose LIKE ignores case) comparisons.
    """
    if connection.vendor == "postgresql":
        return Q(product_id__startswith=text)
    following: dict[str, Any] = {"product_id__gte": text, "product_id__lt": text + "\U0010ffff"}
    return Q(**following)
