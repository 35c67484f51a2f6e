"""The parts of the console. Django imports this module; each part registers itself."""

from tracker.console.dashboard import page as dashboard
from tracker.console.erasing import pages as erasing
from tracker.console.export import page as export
from tracker.console.lists import audit_log, carts, find, items
from tracker.console.live import page as live
from tracker.console.problems import dead_letters, refusals

__all__ = [
    "audit_log",
    "carts",
    "dashboard",
    "dead_letters",
    "erasing",
    "export",
    "find",
    "items",
    "live",
    "refusals",
]
