"""The members of an item, checked one by one (R11-R15)."""

from typing import Any
from uuid import UUID

from msgspec import UNSET

from tracker.adds import MAX_NAME_CHARS, MAX_PRICE_CENTS, MAX_PRODUCT_ID_CHARS, Add
from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.problem import Fault, Problem


def parse_add(cart_id: UUID, body: Any) -> Add:
    """Return the add that a decoded body describes.

    Raises Problem (400) that names every wrong member, not only the first (R31).
    """
    if not isinstance(body, dict):
        raise Problem([Fault("", ErrorCode.NOT_AN_OBJECT, "The body must be one JSON object.")])
    product_id, name, price = (body.get(key, UNSET) for key in ("product_id", "name", "price"))
    faults = (_check_product_id(product_id), _check_name(name), _check_price(price))
    if any(faults):
        raise Problem(filter(None, faults))
    return Add(cart_id, product_id, name, price)


def _check_product_id(value: Any) -> Fault | None:
    """Check R11. The id is kept exactly as sent: white space alone is refused, not trimmed."""
    at = "/product_id"
    if value is UNSET:
        return Fault(at, ErrorCode.REQUIRED, "product_id is required.")
    if not isinstance(value, str):
        return Fault(at, ErrorCode.NOT_A_STRING, "product_id must be a string.")
    if not value or value.isspace():
        return Fault(at, ErrorCode.BLANK, "product_id must not be empty or only white space.")
    return _check_text(at, value, MAX_PRODUCT_ID_CHARS)


def _check_name(value: Any) -> Fault | None:
    """Check R12."""
    if value is UNSET or value is None:
        return None
    if not isinstance(value, str):
        return Fault("/name", ErrorCode.NOT_A_STRING, "name must be a string or null.")
    return _check_text("/name", value, MAX_NAME_CHARS)


def _check_text(at: str, value: str, max_chars: int) -> Fault | None:
    if len(value) > max_chars:
        return Fault(at, ErrorCode.TOO_LONG, f"{at[1:]} may have {max_chars} characters at most.")
    if "\0" in value:  # Valid JSON, but PostgreSQL can't store it (R15).
        return Fault(at, ErrorCode.NULL_CHARACTER, f"{at[1:]} must not contain U+0000.")
    return None


def _check_price(value: Any) -> Fault | None:
    """Check R13. With `type` instead of isinstance: to Python, a boolean is an int."""
    if value is UNSET or value is None:
        return None
    if type(value) is not int:
        detail = "price must be a whole number of cents, like 1299 (no fraction, no exponent)."
        return Fault("/price", ErrorCode.NOT_AN_INTEGER, detail)
    if not 0 <= value <= MAX_PRICE_CENTS:
        return Fault(
            "/price", ErrorCode.OUT_OF_RANGE, f"price must be from 0 to {MAX_PRICE_CENTS} cents."
        )
    return None
