"""The products of a made-up shop: names, prices, and how often each is bought.

They vary as real data does: several languages, umlauts, quotes, sizes, prices from 0 upwards.
"""

from collections.abc import Iterator
from functools import cache
from itertools import accumulate, islice, product
from random import Random
from typing import NamedTuple

# More than the largest cart holds.
PRODUCTS = 50_000


class Product(NamedTuple):
    """`price` is in cents."""

    id: str
    name: str
    price: int


class _Kind(NamedTuple):
    """Product ids begin with `code`. Prices are in whole units, from `low` to `high`."""

    code: str
    name: str
    sizes: tuple[str, ...]
    low: int
    high: int


_CLOTHES = ("XS", "S", "M", "L", "XL", "XXL")
_SHOES = tuple(str(size) for size in range(36, 47))
_ONE_SIZE = ("",)
_KINDS = (
    _Kind("SOCK", "Wollsöckchen", ("35-38", "39-42", "43-46"), 4, 19),
    _Kind("TEE", "T-shirt", _CLOTHES, 9, 49),
    _Kind("JACKET", "Regenjacke", _CLOTHES, 59, 249),
    _Kind(
        "JEANS",
        "Jeans",
        tuple(f"{w}/{length}" for w in range(28, 38) for length in (30, 32, 34)),
        39,
        129,
    ),
    _Kind("SHOE", "Laufschuhe", _SHOES, 49, 189),
    _Kind("DRESS", "Robe d'été", _CLOTHES, 29, 159),
    _Kind("MUG", "Coffee mug", ("0.2 l", "0.3 l", "0.5 l"), 6, 24),
    _Kind("BOWL", "Müslischüssel", ("Ø 14 cm", "Ø 18 cm"), 5, 29),
    _Kind("LAMP", "Tischlampe »Fläming«", _ONE_SIZE, 24, 199),
    _Kind("CABLE", 'Cable, USB-C & "Lightning"', ("0.5 m", "1 m", "2 m", "5 m"), 3, 39),
    _Kind("BLANKET", "Kuscheldecke", ("130 x 170 cm", "150 x 200 cm"), 19, 99),
    _Kind("PLANT", "Zimmerpflanze Çam", ("30 cm", "60 cm", "120 cm"), 8, 149),
    _Kind("BAG", "Sac à dos", ("12 l", "20 l", "32 l"), 29, 179),
    _Kind("BIKE", "Lastenrad Ærø", _ONE_SIZE, 1899, 6499),
    _Kind("STICKER", "Sticker, ½ price", _ONE_SIZE, 0, 2),
)
_COLOURS = (
    ("BLK", "black"),
    ("WHT", "off-white"),
    ("BLU", "dunkelblau"),
    ("GRN", "grün"),
    ("RED", "weinrot"),
    ("GRY", "grau meliert"),
    ("ROS", "rosé"),
    ("YEL", "senfgelb"),
    ("BRN", "café"),
    ("OLV", "olive"),
)  # fmt: skip
_ENDINGS = (99, 95, 90, 49, 0)


@cache
def catalogue() -> tuple[Product, ...]:
    """Return all products, the most popular first. Every process gets the same ones."""
    chance = Random("catalogue")  # noqa: S311  Nothing secret.
    found = list(islice(_products(chance), PRODUCTS))
    chance.shuffle(found)
    return tuple(found)


@cache
def popularity() -> tuple[float, ...]:
    """Return, for each place in the catalogue, how often this or an earlier product is bought.

    The curve is Zipf's with a flat top: the first product is in one cart of fourteen, a few
    hundred products make up half of all purchases, and most are bought rarely.
    """
    return tuple(accumulate(1 / (place + 6) for place in range(PRODUCTS)))


def _products(chance: Random) -> Iterator[Product]:
    """Yield model after model, each in all kinds, colours and sizes."""
    model = 1
    while True:
        for kind in _KINDS:
            price = chance.randint(kind.low, kind.high) * 100 + chance.choice(_ENDINGS)
            for (code, colour), size in product(_COLOURS, kind.sizes):
                digits = "".join(filter(str.isalnum, size)).upper()
                product_id = "-".join(filter(None, (kind.code, f"{model:04}", code, digits)))
                name = ", ".join(filter(None, (f"{kind.name} no. {model}", colour, size)))
                yield Product(product_id, name, price)
        model += 1
