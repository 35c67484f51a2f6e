"""The filters of the console's templates: numbers, prices, and texts with code in them."""

import re

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from tracker.console.frame.money import in_currency

register = template.Library()
register.filter("money", in_currency)


@register.filter
def thousands(number: int) -> str:
    return f"{number:,}"


@register.filter
def with_code(text: str) -> SafeString:
    """Return the text with its backticks turned into <code>, and all else escaped."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))  # noqa: S308
