"""The requests that every subject gets: a numbered sequence, the same for all and in every run.

traffic.lua makes the same bytes for wrk. Every fifth request repeats the cart and product of an
earlier one with a new price, long enough after it that their order is certain. All others have a
pair of their own. Of ten requests, eight name their cart in a cookie and one in the body; one has
no cart yet, like a visitor's first add.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

CARTS = 10_007
PRODUCTS = 500
PRICES = 100_000
REPEAT_AFTER = 5_002

_COLOURS = ("Blue", "Grüne", "Off-white", "Dark grey", "Rosé")
_THINGS = ("socks", "rain jacket, size M", "Söckchen", "coffee mug (0.3 l)", "USB-C cable 2 m")
_NO_CART, _CART_IN_BODY = 0, 1  # Of each ten.


class Add(NamedTuple):
    """What one request adds; `cart_id` is None for a visitor's first add."""

    cart_id: str | None
    product_id: str
    price: int


class Rows(NamedTuple):
    """What must be stored: `known` is the price of each pair, `new` the adds without a cart."""

    known: dict[tuple[str, str], int]
    new: Counter[tuple[str, int]]


def cart_id(cart: int) -> str:
    """Return an id; those of neighbouring carts are as far apart in an index as random ids."""
    return f"{cart * 2_654_435_761 % 2**32:08x}-cafe-4000-8000-{cart:012x}"


def add(number: int) -> Add:
    cart, product = _pair(number)
    is_first = number % 10 == _NO_CART
    return Add(None if is_first else cart_id(cart), f"sku-{product}", number * 7919 % PRICES)


def _pair(number: int) -> tuple[int, int]:
    """Return a cart and a product. Below five million, only repeats have the same as another."""
    repeats = number % 5 == 4 and number >= REPEAT_AFTER
    pair = number - REPEAT_AFTER if repeats else number
    cart = pair % CARTS
    return cart, (pair // CARTS + cart) % PRODUCTS


def request(number: int) -> bytes:
    """Return the bytes of the request with this number."""
    cart, product = _pair(number)
    cookie = member = ""
    if number % 10 == _CART_IN_BODY:
        member = f', "cart_id": "{cart_id(cart)}"'
    elif number % 10 != _NO_CART:
        cookie = f"Cookie: theme=dark; cart_id={cart_id(cart)}\r\n"
    name = f"{_COLOURS[product % 5]} {_THINGS[product // 5 % 5]}"
    price = number * 7919 % PRICES
    body = f'{{"product_id": "sku-{product}", "name": "{name}", "price": {price}{member}}}'.encode()
    return post(body, cookie)


def post(body: bytes, cookie: str = "") -> bytes:
    head = "POST /items HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}{cookie}Content-Length: {len(body)}\r\n\r\n".encode() + body


def rows(numbers: Iterable[int]) -> Rows:
    """Return what is stored after these requests, sent in this order."""
    known: dict[tuple[str, str], int] = {}
    new: Counter[tuple[str, int]] = Counter()
    for number in numbers:
        sent = add(number)
        if sent.cart_id is None:
            new[sent.product_id, sent.price] += 1
        else:
            known[sent.cart_id, sent.product_id] = sent.price
    return Rows(known, new)
