"""What the console's templates say numbers with."""

from django import template

from tracker.console.money import in_currency

register = template.Library()
register.filter("money", in_currency)


@register.filter
def thousands(number: int) -> str:
    return f"{number:,}"
