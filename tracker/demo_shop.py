"""/demo/: a small shop whose page sends adds, for developers. There with DEBUG only (core/urls.py).

`/demo/?tracker=http://localhost:8000` sends them to a tracker on another port or under another
name of this machine, as shops do: across origins.
"""

import re
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tracker.demo_catalogue import Product, catalogue

# The most popular product of each kind. static/demo/shop.svg has their pictures.
KINDS = ("JACKET", "SHOE", "TEE", "BAG", "LAMP", "PLANT", "MUG", "BOWL")
# The page runs a script from there: never one from elsewhere. Not [::1]: browsers ignore it in a
# policy, whose grammar has no such hosts (CSP 3, section 2.3.1).
_THIS_MACHINE = re.compile(r"http://(?:localhost|127\.0\.0\.1)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


@require_safe
def shop(request: HttpRequest) -> HttpResponseBase:
    """The shop's page; 400 and no script for a tracker that is not on this machine.

    The console's policy holds. Where the tracker has another origin, that one is added to it.
    """
    own = f"{request.scheme}://{request.get_host()}"
    tracker = request.GET.get("tracker", own)
    if tracker != own and not _is_on_this_machine(tracker):
        return render(request, "demo/refused.html", {"tracker": tracker}, status=400)
    others = [tracker] if tracker != own else []
    allowing = csp_update({"script-src": others, "connect-src": others})
    page = allowing(lambda request: render(request, "demo/shop.html", _context(own, tracker)))
    return page(request)


def _is_on_this_machine(origin: str) -> bool:
    found = _THIS_MACHINE.fullmatch(origin)
    return found is not None and int(found["port"] or 80) <= 65535


def _context(own: str, tracker: str) -> dict[str, Any]:
    return {
        "own": own,
        "tracker": tracker,
        "is_elsewhere": tracker != own,
        "under_another_name": _under_another_name(own),
        "shows_sql": settings.INTAKE_URL.startswith("database:"),
        "shelf": [_on_the_shelf(product) for product in _products()],
    }


def _under_another_name(own: str) -> str:
    """The same server, which is another origin for a browser."""
    if own.startswith("http://localhost"):
        return own.replace("localhost", "127.0.0.1")
    return re.sub(r"//(?:\[.*\]|[^:]+)", "//localhost", own)


def _products() -> list[Product]:
    """The same ones each time."""
    found: dict[str, Product] = {}
    for product in catalogue()[:1000]:
        found.setdefault(product.id.partition("-")[0], product)
    return [found[kind] for kind in KINDS]


def _on_the_shelf(product: Product) -> dict[str, Any]:
    """With what the page shows: MUG-0032-BLU-03L is a mug, and blue."""
    kind, _, colour, *_ = product.id.split("-")
    whole, rest = divmod(product.price, 100)
    shown = f"{whole:,}.{rest:02} {settings.CURRENCY}"
    return {**product._asdict(), "kind": kind, "colour": colour, "shown": shown}
