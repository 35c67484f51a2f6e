"""What the console is made of. Django imports this module; each of these registers its part."""

from tracker.console import (
    audit,
    carts,
    dashboard,
    deadletters,
    erase,
    export,
    find,
    items,
    live,
    refusals,
)

__all__ = [
    "audit",
    "carts",
    "dashboard",
    "deadletters",
    "erase",
    "export",
    "find",
    "items",
    "live",
    "refusals",
]
