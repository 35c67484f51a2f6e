"""One refusal as people read it: what was wrong, and nothing that identifies a cart or shopper.

People who read refusals must not get access to carts. So each text is stored without cart ids, and
without everything that looks like one. Only the first digits stay.
"""

import re
import time
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from django.http import HttpRequest

from tracker.cart_ids import short_code
from tracker.endpoint.body import parsed_body
from tracker.endpoint.cart import named_cart_id
from tracker.endpoint.problem import Fault, Problem

MAX_VALUE_CHARS = 100
MAX_ORIGIN_CHARS = 128
MAX_PATH_CHARS = MAX_ID_CHARS = 64
MAX_METHOD_CHARS = 16

# In place of an origin. A stored origin never begins with an asterisk.
NO_ORIGIN, NOT_READ, OTHERS = "*none", "*unread", "*others"

# 32 hex digits or more, together or in groups: every form of a cart id (R2), and how people write
# them. With the look-behinds each run of digits is tried once, which takes linear time.
_ID = re.compile(
    r"(?<![0-9a-f])(?<![0-9a-f][ _-])(?:[0-9a-f][ _-]?){24,}((?:[0-9a-f][ _-]?){7}[0-9a-f])",
    re.ASCII | re.IGNORECASE,
)
# Up to the year 3000: a time that is read from a file must be one that can be displayed.
Seconds = Annotated[float, msgspec.Meta(ge=0, le=32_503_680_000)]


class Wrong(msgspec.Struct, frozen=True):
    """One fault: its code, the pointer to a member ("" for the whole), and the member's value.

    `value` is shortened JSON, or None for a missing member and for a whole body.
    """

    code: str
    pointer: str = ""
    value: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """One refused request. `cart` is the short code of the cart that it named, or ""."""

    at: Seconds
    status: int
    faults: list[Wrong]
    origin: str = NOT_READ
    method: str = ""
    path: str = ""
    cart: str = ""
    request_id: str = ""

    @property
    def codes(self) -> set[str]:
        return {fault.code for fault in self.faults}


def of_problem(problem: Problem) -> Refusal:
    """Make the refusal of a request that the server could not read."""
    return Refusal(time.time(), problem.status.value, _faults(problem.faults, None))


def of_request(request: HttpRequest, problem: Problem, request_id: str) -> Refusal:
    """Make the refusal of a request that was read."""
    body = parsed_body(request)
    return Refusal(
        time.time(),
        problem.status.value,
        _faults(problem.faults, body),
        origin=_origin(request.META.get("HTTP_ORIGIN")),
        method=safe_text(request.method or "", MAX_METHOD_CHARS),
        path=safe_text(request.path_info, MAX_PATH_CHARS),
        cart=_named_cart(request),
        request_id=safe_text(request_id, MAX_ID_CHARS),
    )


def safe_text(text: str, max_chars: int) -> str:
    """Return a text that is printable and short, with only the last 8 digits of possible ids."""
    if len(text) >= 32:
        # Before it is shortened: the pattern would not find a part of an id.
        text = _ID.sub(r"…\1", text)
    text = text[:max_chars]
    if not text.isprintable():
        text = "".join(each if each.isprintable() else _escaped(each) for each in text)
    return text[:max_chars]


def _escaped(character: str) -> str:
    """Escape what is invisible, like direction marks. It is often what is wrong."""
    return character.encode("unicode_escape").decode()


def _faults(faults: Iterable[Fault], body: Any) -> list[Wrong]:
    return [Wrong(fault.code, fault.pointer, _value(fault.pointer, body)) for fault in faults]


def _value(pointer: str, body: Any) -> str | None:
    """Return the refused member, never the others beside it."""
    member = pointer.removeprefix("/")
    if not member or not isinstance(body, dict) or member not in body:
        return None
    try:
        text = msgspec.json.encode(body[member]).decode()
    except (ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
        return "…"  # Nested too deeply.
    return safe_text(text, MAX_VALUE_CHARS)


def _origin(origin: str | None) -> str:
    if origin is None:
        return NO_ORIGIN
    text = safe_text(origin, MAX_ORIGIN_CHARS).strip().lstrip("*")
    return text or OTHERS


def _named_cart(request: HttpRequest) -> str:
    """Return the code of a cart that the client named. A new cart was never stored."""
    if not hasattr(request, "cart_id"):  # Refused before anything was read.
        return ""
    cart_id = named_cart_id(request)
    return short_code(cart_id) if cart_id else ""
