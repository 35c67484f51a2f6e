"""/demo/: a small shop whose page sends adds, for developers. Only with DEBUG (core/urls.py)."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tracker.demo.catalogue import Product, catalogue

# The shelf has the most popular product of each kind. static/demo/shop.svg has their pictures.
KINDS = ("JACKET", "SHOE", "TEE", "BAG", "LAMP", "PLANT", "MUG", "BOWL")


@require_safe
def shop(request: HttpRequest) -> HttpResponse:
    """Return the shop's page. The console's Content-Security-Policy applies to it."""
    context = {
        "shows_sql": settings.INTAKE_URL.startswith("database:"),
        "shelf": [_on_the_shelf(product) for product in _products()],
    }
    return render(request, "demo/shop.html", context)


def _products() -> list[Product]:
    """Return the same products each time."""
    found: dict[str, Product] = {}
    for product in catalogue()[:1000]:
        found.setdefault(product.id.partition("-")[0], product)
    return [found[kind] for kind in KINDS]


def _on_the_shelf(product: Product) -> dict[str, Any]:
    """Add what the page shows: MUG-0032-BLU-03L is a mug, and blue."""
    kind, _, colour, *_ = product.id.split("-")
    whole, rest = divmod(product.price, 100)
    shown = f"{whole:,}.{rest:02} {settings.CURRENCY}"
    return {**product._asdict(), "kind": kind, "colour": colour, "shown": shown}
