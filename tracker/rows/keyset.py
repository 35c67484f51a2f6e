"""The condition for "the rows after this one" in an order by several columns."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q


def rows_after(names: Sequence[str], values: Sequence[Any], *, descending: bool = False) -> Q:
    """Return the condition for the rows after one with these values. No column may be NULL.

    It is `(a, b) > (x, y)` in a form that Django and both databases have: a >= x, with which the
    index is entered, and (a > x or (a = x and b > y)).
    """
    compare = "lt" if descending else "gt"
    found = Q()
    for name, value in reversed(list(zip(names, values, strict=True))):
        strictly = Q(**{f"{name}__{compare}": value})
        found = strictly if not found else strictly | (Q(**{name: value}) & found)
    return Q(**{f"{names[0]}__{compare}e": values[0]}) & found
