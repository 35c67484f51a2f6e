"""Accept in a list's address what the list itself offers, and refuse everything else.

Django's admin takes look-ups from the address that no link of its pages has: `name__regex`, which
can keep a core busy endlessly, or `cart__items__name`, which reads other tables.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import FieldListFilter
from django.contrib.admin.options import IS_FACETS_VAR, IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ALL_VAR, ORDER_VAR, PAGE_VAR, SEARCH_VAR, ChangeList
from django.core.exceptions import BadRequest
from django.http import HttpRequest

# The values that a parameter takes: these, or all that match.
Values = Collection[str] | re.Pattern[str]

ANY_TEXT = re.compile(r"(?s).*")
# Each word is looked for in each column of such a list, and SQLite has a limit on conditions.
_WORDS = re.compile(r"(?s).{0,200}")
_PAGE = re.compile(r"[1-9][0-9]{0,8}")
_MAX_SHOWN = 60
_REMEDY = "Remove it from the address, or open the list from the menu."


class DeclaredAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A mixin for every admin of the console: its list accepts only declared parameters.

    Declared are the links of the list's own filters, its search, its pages and its order. A filter
    whose `takes_any_text` is true is declared with every value.
    """

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Make the list. Raises BadRequest, before a row is read, for what it does not declare."""
        check(self, request)
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters:  # A page past the last one.
            raise BadRequest(_bad_value(PAGE_VAR, request.GET.get(PAGE_VAR, ""))) from None


def check(model_admin: Any, request: HttpRequest) -> None:
    """Raise BadRequest, saying which and why, for a parameter that the list does not declare."""
    declared = _declared(model_admin, request)
    for name, given in request.GET.lists():
        if name not in declared:
            raise BadRequest(f"This list has no parameter “{_shown(name)}”. {_REMEDY}")
        if len(given) > 1:
            raise BadRequest(f"The parameter “{name}” is given {len(given)} times. {_REMEDY}")
        values, value = declared[name], given[0]
        if "\0" in value or not _takes(values, value):
            raise BadRequest(_bad_value(name, value, values))


def _takes(values: Values, value: str) -> bool:
    return bool(values.fullmatch(value)) if isinstance(values, re.Pattern) else value in values


def _bad_value(name: str, value: str, values: Values = ANY_TEXT) -> str:
    use = ""
    if not isinstance(values, re.Pattern) and any(values):
        use = f" Use one of: {', '.join(list(values)[:10])}."
    return f"The parameter “{name}” can't be “{_shown(value)}” in this list.{use} {_REMEDY}"


def _shown(text: str) -> str:
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _declared(model_admin: Any, request: HttpRequest) -> dict[str, Values]:
    offered: dict[str, set[str]] = {}
    declared: dict[str, Values] = {}
    for spec in _filters(model_admin, request):
        if getattr(spec, "takes_any_text", False):
            declared |= dict.fromkeys(spec.expected_parameters(), ANY_TEXT)
        elif spec.has_output():
            for choice in spec.choices(_Blank()):
                for name, value in choice["query_string"].items():
                    offered.setdefault(name, set()).add(str(value))
    declared |= {name: sorted(values) for name, values in offered.items()}
    cursors = getattr(model_admin.get_changelist(request), "cursors", None)
    searches = bool(model_admin.get_search_fields(request))
    if cursors is not None:
        return declared | dict.fromkeys((*cursors, SEARCH_VAR) if searches else cursors, ANY_TEXT)
    return declared | _of_django(model_admin, request, searches=searches)


def _of_django(model_admin: Any, request: HttpRequest, *, searches: bool) -> dict[str, Values]:
    """Return what Django's own list offers besides its filters."""
    columns = len(model_admin.get_list_display(request)) + 1  # And the check boxes.
    column = f"-?({'|'.join(map(str, range(columns)))})"
    # Not more terms than columns: SQLite has a limit on these, too.
    order = re.compile(rf"({column}(\.{column}){{0,{columns - 1}}})?")
    found: dict[str, Values] = {PAGE_VAR: _PAGE, ORDER_VAR: order}
    if searches:
        found[SEARCH_VAR] = _WORDS
    if model_admin.list_max_show_all:
        found[ALL_VAR] = [""]
    if model_admin.show_facets is admin.ShowFacets.ALLOW:
        found[IS_FACETS_VAR] = ["True"]
    return found


def _filters(model_admin: Any, request: HttpRequest) -> Iterator[Any]:
    """Make the list's filters as they are when none is chosen, as ChangeList.get_filters does."""
    model = model_admin.model
    for each in model_admin.get_list_filter(request):
        if callable(each):
            yield each(request, {}, model, model_admin)
            continue
        name, make = each if isinstance(each, (list, tuple)) else (each, FieldListFilter.create)
        field = get_fields_from_path(model, name)[-1]
        yield make(field, request, {}, model, model_admin, field_path=name)


class _Blank:
    """Stand for a list without parameters, so that a filter's choices are names with values."""

    add_facets = False

    def get_query_string(
        self, new_params: dict[str, Any] | None = None, remove: Any = None
    ) -> dict[str, Any]:
        given = new_params or {}
        return {name: value for name, value in given.items() if value is not None}
