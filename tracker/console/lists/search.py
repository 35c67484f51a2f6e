"""Search: the form of the term decides which single look-up it gets.

There is never an OR of several: one branch without an index would read the whole table.
"""

import re
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from tracker.cart_ids import SHORT_CODE_DIGITS
from tracker.console.lists.paging import Keyset
from tracker.models import Cart, Item

# Anywhere in a pasted text: an address, a log line, a mail.
_CART_ID = re.compile(
    r"(?<![0-9a-f])([0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})(?![0-9a-f])",
    re.ASCII | re.IGNORECASE,
)
_SHORT_CODE = re.compile(r"#?([0-9a-f]{8})", re.ASCII | re.IGNORECASE)

_NEWEST_FIRST = Keyset("-created_at", "-id")
# An index finds a cart's items, but not in this order, so they are sorted.
OF_A_CART = Keyset("-created_at", "-id", is_sorted=True)
# In the order of the index: ids with the same beginning are neighbours.
_BY_PRODUCT = Keyset("product_id", "created_at", "id")


class Term(NamedTuple):
    """A parsed term: a cart's id, a short code, a product's id, or nothing.

    A short code may also be a product's id, so then both are set.
    """

    cart_id: UUID | None = None
    short_code: str = ""
    product_id: str = ""


def read(typed: str) -> Term:
    """Parse a term. Never raises: every other text is a product's id."""
    typed = typed.replace("\0", "")
    together = "".join(typed.split())
    if found := _CART_ID.search(together):
        return Term(cart_id=UUID(found[1]))
    if found := _SHORT_CODE.fullmatch(together):
        return Term(short_code=found[1].lower(), product_id=typed.strip())
    return Term(product_id=typed.strip())


def carts(term: Term, rows: QuerySet[Cart]) -> QuerySet[Cart]:
    """Return the carts that a term names, or those that hold the product."""
    if term.cart_id or named(term).exists():
        return rows.filter(_names(term))
    if term.product_id:
        return rows.filter(items__product_id=term.product_id)
    return rows


def named(term: Term) -> QuerySet[Cart]:
    """Return the carts with this id or code: none if the term is neither."""
    is_name = term.cart_id or term.short_code
    return Cart.objects.filter(_names(term)) if is_name else Cart.objects.none()


def _names(term: Term, column: str = "id") -> Q:
    """Return the term's condition on a cart's id, or on a column that refers to it."""
    if term.cart_id:
        return Q(**{column: term.cart_id})
    rest = 32 - SHORT_CODE_DIGITS
    low, high = (UUID(term.short_code + digit * rest) for digit in "0f")
    return Q(**{f"{column}__gte": low, f"{column}__lte": high})


def items(term: Term, rows: QuerySet[Item]) -> tuple[QuerySet[Item], Keyset]:
    """Return the items that a term means, and the order that an index has.

    They are those of a product's id or, if it does not exist, of all ids that begin so.
    """
    if term.cart_id or term.short_code:
        found = rows.filter(_names(term, "cart_id"))
        if term.cart_id or found.exists():
            return found, OF_A_CART
    if not term.product_id:
        return rows, _NEWEST_FIRST
    if Item.objects.filter(product_id=term.product_id).exists():
        return rows.filter(product_id=term.product_id), _NEWEST_FIRST
    return rows.filter(_begins_with(term.product_id)), _BY_PRODUCT


def _begins_with(text: str) -> Q:
    """Return the condition that a product's id begins with a text, in a form with an index.

    PostgreSQL's index serves LIKE 'text%', SQLite's (whose LIKE ignores case) comparisons.
    """
    if connection.vendor == "postgresql":
        return Q(product_id__startswith=text)
    following: dict[str, Any] = {"product_id__gte": text, "product_id__lt": text + "\U0010ffff"}
    return Q(**following)
