"""An add, and the record of an accepted add that waits for the drain."""

from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

MAX_PRODUCT_ID_CHARS = 255
MAX_NAME_CHARS = 1000
# The largest integer that every JSON reader keeps exactly (RFC 8259, section 6).
MAX_PRICE_CENTS = 2**53 - 1


class Add(msgspec.Struct, frozen=True):
    """One product put into one cart, as the storefront sent it.

    A member that was not sent is UNSET and leaves the stored value; None clears it (R21).
    `price` is in cents.
    """

    cart_id: UUID
    product_id: str
    name: str | None | UnsetType = UNSET
    price: int | None | UnsetType = UNSET


class Record(NamedTuple):
    """An accepted add with its version, its place in the order of acceptance.

    A version is the acceptance time in nanoseconds since 1970, strictly increasing within the
    intake that assigned it. With None the database assigns the version on arrival: later than
    everything that the row holds already, even if a clock was set back (`database://`).
    """

    add: Add
    version: int | None
