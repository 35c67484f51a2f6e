"""Cart ids: making one, reading one from any text, its short code, and the keys of its items."""

import os
import re
import time
from hashlib import blake2b
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


def new_cart_id() -> UUID:
    """Return a new id that nobody can guess: a UUID of version 7 (R1; RFC 9562, section 5.7).

    Milliseconds since 1970, then 74 random bits from the operating system. Carts of one hour stand
    side by side in every index.
    """
    return cart_id_at(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10), "big"))


def cart_id_at(milliseconds: int, random: int) -> UUID:
    """Return the UUID of version 7 with this time and the lowest 74 of these random bits."""
    high, low = random >> 62 & 0xFFF, random & (1 << 62) - 1
    return UUID(int=(milliseconds << 80) | 7 << 76 | high << 64 | 0b10 << 62 | low)


def item_id(cart_id: UUID, product_id: str) -> UUID:
    """Compute the primary key of a product in a cart, so that no write has to look it up.

    A UUID of version 8 (RFC 9562, section 5.8): the first 64 bits of the cart's id, but for the
    version, then 62 bits of a hash of cart and product. So the items of a cart are neighbours, and
    those of carts that were made together, too. Unique for the pair, the same on every machine, and
    usable on a distributed database without a sequence.
    """
    digest = blake2b(cart_id.bytes + product_id.encode(), digest_size=8).digest()
    first = cart_id.int >> 64 & ~(0xF << 12) | 8 << 12
    second = int.from_bytes(digest, "big") & (1 << 62) - 1 | 0b10 << 62
    return UUID(int=first << 64 | second)


def short_code(cart_id: UUID) -> str:
    """Return the last digits of a cart's id. People and logs use them; they give no access.

    The first digits are the time: they would be the same for all carts of a minute.
    """
    return cart_id.hex[-SHORT_CODE_DIGITS:]
