"""Prices for people."""

from decimal import Decimal

from django.conf import settings


def in_currency(cents: int | Decimal | None) -> str:
    """Format cents: 1299 is "12.99 EUR" with CURRENCY=EUR. No price is "-"."""
    if cents is None:
        return "-"
    whole, rest = divmod(int(cents), 100)
    return f"{whole:,}.{rest:02} {settings.CURRENCY}"
