"""Where to go on in an order by several columns: the condition for "after this row"."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q


def rows_after(names: Sequence[str], values: Sequence[Any], *, descending: bool = False) -> Q:
    """The rows behind one with these values, in the order by these columns, none of them NULL.

    `(a, b) > (x, y)`, in a form that both databases' and Django's conditions have: a >= x, which
    the index is entered with, and a > x or (a = x and b > y).
    """
    compare = "lt" if descending else "gt"
    found = Q()
    for name, value in reversed(list(zip(names, values, strict=True))):
        strictly = Q(**{f"{name}__{compare}": value})
        found = strictly if not found else strictly | (Q(**{name: value}) & found)
    return Q(**{f"{names[0]}__{compare}e": values[0]}) & found
