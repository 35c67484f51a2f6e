"""The button that exports a list."""

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse

from tracker.console.export.page import BROWSER_ROWS, PERMISSION, command_line, name_of
from tracker.console.lists.changelist import AFTER, BEFORE
from tracker.console.lists.paging import COUNT_LIMIT

register = template.Library()


@register.simple_tag(takes_context=True)
def export_of(context: Context, cl: Any) -> dict[str, Any] | None:
    """Return how this list is exported, or None if it is not or this account may not."""
    name = name_of(cl.model)
    if name is None or not context["request"].user.has_perm(PERMISSION):
        return None
    query = cl.get_query_string(remove=[AFTER, BEFORE])
    return {
        "address": reverse("admin:export", args=[name]) + query,
        "command": command_line(name, query.removeprefix("?")),
        "max_rows": BROWSER_ROWS,
        "may_be_cut": cl.result_count >= COUNT_LIMIT,  # The list counts no further.
    }
