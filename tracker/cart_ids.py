"""Cart ids: reading one from any text, and the short code that people call a cart by."""

import re
from uuid import UUID

SHORT_CODE_DIGITS = 8

# R2. Either all hyphens or none; braces only as a pair.
_HEX = r"[0-9a-fA-F]{8}(?P<h>-?)(?:[0-9a-fA-F]{4}(?P=h)){3}[0-9a-fA-F]{12}"
_UUID = re.compile(rf"(?P<open>\{{)?(?:(?(open)|urn:uuid:))?{_HEX}(?(open)\}})", re.ASCII)
_NAMES_NO_CART = frozenset({UUID(int=0), UUID(int=2**128 - 1)})


def parse_cart_id(text: object) -> UUID | None:
    """Return the UUID that a text spells out, or None (R2, R3). Never raises.

    `uuid.UUID` is too lax for this: it accepts `{{{`, misplaced hyphens, `_` and full-width digits.
    """
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        return None
    cart_id = UUID(text)
    return None if cart_id in _NAMES_NO_CART else cart_id


def short_code(cart_id: UUID) -> str:
    """Return the first digits of a cart's id. People and logs use them; they give no access."""
    return cart_id.hex[:SHORT_CODE_DIGITS]
