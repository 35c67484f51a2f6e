"""Whose cart a request is about: `request.cart_id`, and the cookie that remembers it (R1-R8)."""

import re
from collections.abc import Container
from http.cookies import Morsel
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse

from middleware.problem import GetResponse, Problem, is_items
from middleware.request import json_body

COOKIE_NAME = "cart_id"
COOKIE_MAX_AGE_S = 31_536_000
SHORT_CODE_DIGITS = 8

# R7: remembered with what was stored, and with what should be tried again.
_REMEMBERED_STATUSES = frozenset({200, 503})

# R2. The hyphens stand all in their places or not at all; braces come as a pair.
_HEX = r"[0-9a-fA-F]{8}(?P<h>-?)(?:[0-9a-fA-F]{4}(?P=h)){3}[0-9a-fA-F]{12}"
_UUID = re.compile(rf"(?P<open>\{{)?(?:(?(open)|urn:uuid:))?{_HEX}(?(open)\}})", re.ASCII)
_NAMES_NO_CART = frozenset({UUID(int=0), UUID(int=2**128 - 1)})


def parse_cart_id(text: object) -> UUID | None:
    """The UUID that a text spells out, or None (R2, R3): never an error, whatever comes.

    `uuid.UUID` is too lax for this: it takes `{{{`, misplaced hyphens, `_` and full-width digits.
    """
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        return None
    cart_id = UUID(text)
    return None if cart_id in _NAMES_NO_CART else cart_id


def short_code(cart_id: UUID) -> str:
    """What people and logs call a cart: the first digits of its id, which open no cart."""
    return cart_id.hex[:SHORT_CODE_DIGITS]


class CartIdMiddleware:
    """Puts the cart's UUID on `request.cart_id`; sets the `cart_id` cookie on 200 and 503.

    The first valid one of cookie and body, else a new random UUID (R1). For requests to the
    storefront's endpoint only: the console's pages have no cart, and never set the cookie.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_items(request.path_info):
            return self.get_response(request)
        request.cart_id = cart_id = named_cart_id(request) or uuid4()  # type: ignore[attr-defined]
        response = self.get_response(request)
        if response.status_code in _REMEMBERED_STATUSES:
            response.cookies[COOKIE_NAME] = cart_id_cookie(cart_id, secure=request.is_secure())
        return response


def named_cart_id(request: HttpRequest) -> UUID | None:
    """Return the cart that the request names, by its cookie or else in its body (R1)."""
    return _from_cookies(request.META.get("HTTP_COOKIE", "")) or _from_body(request)


def _from_cookies(header: str) -> UUID | None:
    """The first valid cart id in the header's order (R4).

    Django's `request.COOKIES` keeps the last cookie of a name only, and costs more.
    """
    if COOKIE_NAME not in header:
        return None
    for pair in header.split(";"):
        name, _, value = pair.partition("=")
        if name.strip() == COOKIE_NAME and (cart_id := parse_cart_id(_unquoted(value.strip()))):
            return cart_id
    return None


def _unquoted(value: str) -> str:
    """Quotes around a cookie's value are the cookie's syntax, and not its value (RFC 6265, 4.1.1).

    Python's clients write a UUID in braces like that.
    """
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _from_body(request: HttpRequest) -> UUID | None:
    """The body's cart id. A body that can't be read names no cart; the view will say so (R5)."""
    try:
        body = json_body(request)
    except Problem:
        return None
    return parse_cart_id(body.get(COOKIE_NAME)) if isinstance(body, dict) else None


class _CartIdMorsel(Morsel[str]):
    """The reply's cookie, with its attributes (R8) in it and as text.

    Everything but the value is the same each time, so it is prepared once:
    `HttpResponse.set_cookie` and Morsel's constructor take longer (docs/performance.md). So it can
    be read and written, but not copied or compared. Python knows Partitioned only from 3.14 on.
    """

    key = COOKIE_NAME
    value = coded_value = ""

    def __init__(self, text: str, attributes: dict[str, Any], suffix: str) -> None:
        dict.__init__(self, attributes)
        self.value = self.coded_value = text
        self._suffix = suffix

    def output(self, attrs: Container[str] | None = None, header: str = "Set-Cookie:") -> str:
        return f"{header} {self.OutputString(attrs)}".lstrip()

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: N802  Python's own name.
        return f"{COOKIE_NAME}={self.value}{self._suffix}"


def _prepared(attributes: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return all attributes of a Morsel that has these, and how it writes them."""
    given = {name.lower(): value for name, value in attributes.items()}
    parts = (name if value is True else f"{name}={value}" for name, value in attributes.items())
    return {**Morsel[str](), "partitioned": "", **given}, "".join(f"; {part}" for part in parts)


_OVER_HTTPS = {
    "HttpOnly": True,
    "Max-Age": COOKIE_MAX_AGE_S,
    "Partitioned": True,
    "Path": "/",
    "SameSite": "None",
    "Secure": True,
}
_OVER_HTTP = {"HttpOnly": True, "Max-Age": COOKIE_MAX_AGE_S, "Path": "/", "SameSite": "Lax"}
_SECURE, _PLAIN = _prepared(_OVER_HTTPS), _prepared(_OVER_HTTP)


def cart_id_cookie(cart_id: UUID, *, secure: bool) -> Morsel[str]:
    """The reply's cookie (R8): over HTTPS it comes back across sites, in a jar per shop (CHIPS)."""
    return _CartIdMorsel(str(cart_id), *(_SECURE if secure else _PLAIN))


def expired_cookie(*, secure: bool) -> Morsel[str]:
    """Makes a browser forget the cookie (R9): only with the attributes that it was set with."""
    attributes = (_OVER_HTTPS if secure else _OVER_HTTP) | {"Max-Age": 0}
    return _CartIdMorsel("", *_prepared(attributes))
