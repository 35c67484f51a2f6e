"""Which cart a request names (R1, R4, R5), and the cookie that remembers it (R8, R9)."""

from collections.abc import Container
from http.cookies import Morsel
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from tracker.cart_ids import parse_cart_id
from tracker.endpoint.body import json_body
from tracker.endpoint.problem import Problem

COOKIE_NAME = "cart_id"
COOKIE_MAX_AGE_S = 31_536_000


def named_cart_id(request: HttpRequest) -> UUID | None:
    """Return the cart that the request names, by its cookie or else in its body (R1)."""
    return _from_cookies(request.META.get("HTTP_COOKIE", "")) or _from_body(request)


def _from_cookies(header: str) -> UUID | None:
    """Return the first valid cart id in the order of the header (R4).

    Django's `request.COOKIES` keeps only the last cookie of a name, and takes longer.
    """
    if COOKIE_NAME not in header:
        return None
    for pair in header.split(";"):
        name, _, value = pair.partition("=")
        if name.strip() == COOKIE_NAME and (cart_id := parse_cart_id(_unquoted(value.strip()))):
            return cart_id
    return None


def _unquoted(value: str) -> str:
    """Remove the quotes, which are part of a cookie's syntax (RFC 6265, section 4.1.1).

    Python's clients quote a UUID in braces.
    """
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _from_body(request: HttpRequest) -> UUID | None:
    """Return the body's cart id. A body that can't be read has none; the view refuses it (R5)."""
    try:
        body = json_body(request)
    except Problem:
        return None
    return parse_cart_id(body.get(COOKIE_NAME)) if isinstance(body, dict) else None


# -- The cookie of the reply -----------------------------------------------------------------------
_OVER_HTTPS = {
    "HttpOnly": True,
    "Max-Age": COOKIE_MAX_AGE_S,
    "Partitioned": True,
    "Path": "/",
    "SameSite": "None",
    "Secure": True,
}
_OVER_HTTP = {"HttpOnly": True, "Max-Age": COOKIE_MAX_AGE_S, "Path": "/", "SameSite": "Lax"}


def cart_id_cookie(cart_id: UUID, *, secure: bool) -> Morsel[str]:
    """Make the reply's cookie (R8).

    Over HTTPS, browsers send it from other sites too, and keep one for each shop (CHIPS).
    """
    return _CartIdMorsel(str(cart_id), *(_SECURE if secure else _PLAIN))


def expired_cookie(*, secure: bool) -> Morsel[str]:
    """Make the cookie that a browser deletes (R9). Needs the attributes that it was set with."""
    attributes = (_OVER_HTTPS if secure else _OVER_HTTP) | {"Max-Age": 0}
    return _CartIdMorsel("", *_prepared(attributes))


class _CartIdMorsel(Morsel[str]):
    """The reply's cookie with its attributes (R8), as values and as text.

    Only the value changes, so all else is prepared once: `HttpResponse.set_cookie` and Morsel's
    constructor take longer (docs/performance.md). The cookie can be read and written, but not
    copied or compared. Python knows Partitioned only from 3.14 on.
    """

    key = COOKIE_NAME
    value = coded_value = ""

    def __init__(self, text: str, attributes: dict[str, Any], suffix: str) -> None:
        dict.__init__(self, attributes)
        self.value = self.coded_value = text
        self._suffix = suffix

    def output(self, attrs: Container[str] | None = None, header: str = "Set-Cookie:") -> str:
        return f"{header} {self.OutputString(attrs)}".lstrip()

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: N802
        return f"{COOKIE_NAME}={self.value}{self._suffix}"


def _prepared(attributes: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return a Morsel's attributes as a dictionary, and as the text of a Set-Cookie header."""
    given = {name.lower(): value for name, value in attributes.items()}
    parts = (name if value is True else f"{name}={value}" for name, value in attributes.items())
    return {**Morsel[str](), "partitioned": "", **given}, "".join(f"; {part}" for part in parts)


_SECURE, _PLAIN = _prepared(_OVER_HTTPS), _prepared(_OVER_HTTP)
