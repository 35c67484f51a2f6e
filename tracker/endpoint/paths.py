"""Which requests are for the storefront's endpoint."""

ITEMS_PREFIX = "/items"


def is_items(path: str) -> bool:
    """Return whether the path is /items or below, also if nothing is there."""
    return path == ITEMS_PREFIX or path.startswith(ITEMS_PREFIX + "/")
