"""What the console is made of. Django imports this module; each of these registers its part."""

from tracker.console import audit, carts, find, items

__all__ = ["audit", "carts", "find", "items"]
