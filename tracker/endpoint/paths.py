"""Which requests are for the storefront's endpoint."""

ITEMS_PREFIX = "/items"


def is_items(path: str) -> bool:
    """Whether this is the storefront's endpoint, or an address below it that does not exist."""
    return path == ITEMS_PREFIX or path.startswith(ITEMS_PREFIX + "/")
