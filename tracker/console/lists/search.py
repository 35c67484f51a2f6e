"""Search: the form of the term decides which single look-up it gets.

There is never an OR of several: one branch without an index would read the whole table.
"""

import re
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.lookups import Exact

from tracker.cart_ids import SHORT_CODE_DIGITS
from tracker.console.lists.paging import Keyset
from tracker.models import LAST_DIGITS, Cart, Item, LastDigits

# Anywhere in a pasted text: an address, a log line, a mail.
_CART_ID = re.compile(
    r"(?<![0-9a-f])([0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})(?![0-9a-f])",
    re.ASCII | re.IGNORECASE,
)
_DIGITS = re.compile(r"#?([0-9a-f]{5,12})", re.ASCII | re.IGNORECASE)
MAX_CANDIDATES = 100

_NEWEST_FIRST = Keyset("-created_at", "-id")
# An index finds a cart's items, but not in this order, so they are sorted.
OF_A_CART = Keyset("-created_at", "-id", is_sorted=True)
# In the order of the index: ids with the same beginning are neighbours.
_BY_PRODUCT = Keyset("product_id", "created_at", "id")


class Term(NamedTuple):
    """A parsed term: a cart's id, the first or last digits of one, a product's id, or nothing.

    Digits may also be a product's id, so then both are set.
    """

    cart_id: UUID | None = None
    digits: str = ""
    product_id: str = ""


def read(typed: str) -> Term:
    """Parse a term. Never raises: every other text is a product's id."""
    typed = typed.replace("\0", "")
    together = "".join(typed.split())
    if found := _CART_ID.search(together):
        return Term(cart_id=UUID(found[1]))
    if found := _DIGITS.fullmatch(together):
        return Term(digits=found[1].lower(), product_id=typed.strip())
    return Term(product_id=typed.strip())


def carts(term: Term, rows: QuerySet[Cart]) -> QuerySet[Cart]:
    """Return the carts that a term names, or those that hold the product."""
    ids = _named_ids(term)
    if ids:
        return rows.filter(id__in=ids)
    if term.product_id:
        return rows.filter(items__product_id=term.product_id)
    return rows


def named(term: Term) -> QuerySet[Cart]:
    """Return the carts with this id or these digits: none if the term is neither."""
    return Cart.objects.filter(id__in=_named_ids(term))


def _named_ids(term: Term) -> list[UUID]:
    """Return the ids that a term names. Of digits, at most MAX_CANDIDATES that exist.

    A whole short code is looked for first. Other digits are more often a product's id.
    """
    if term.cart_id:
        return [term.cart_id]
    is_code = len(term.digits) == SHORT_CODE_DIGITS
    if not term.digits or (not is_code and _is_product(term)):
        return []
    return _ending_with(term.digits) or _beginning_with(term.digits)


def _ending_with(digits: str) -> list[UUID]:
    # The index has the last LAST_DIGITS. The few that it finds are compared with all digits.
    found = Cart.objects.filter(Exact(LastDigits("id"), digits[-LAST_DIGITS:]))
    ids = found.values_list("id", flat=True)
    return [each for each in ids if each.hex.endswith(digits)][:MAX_CANDIDATES]


def _beginning_with(digits: str) -> list[UUID]:
    low, high = (UUID(digits.ljust(32, digit)) for digit in "0f")
    found = Cart.objects.filter(id__gte=low, id__lte=high).order_by("id")
    return list(found.values_list("id", flat=True)[:MAX_CANDIDATES])


def _is_product(term: Term) -> bool:
    return Item.objects.filter(product_id=term.product_id).exists()


def items(term: Term, rows: QuerySet[Item]) -> tuple[QuerySet[Item], Keyset]:
    """Return the items that a term means, and the order that an index has.

    They are those of a product's id or, if it does not exist, of all ids that begin so.
    """
    if ids := _named_ids(term):
        return rows.filter(cart_id__in=ids), OF_A_CART
    if not term.product_id:
        return rows, _NEWEST_FIRST
    if _is_product(term):
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
