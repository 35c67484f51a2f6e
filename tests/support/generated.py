"""Texts and bodies near the limits of what the tracker accepts: some right, most nearly right."""

import json
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from hypothesis import strategies as st

T = TypeVar("T")


@st.composite
def _weighted(draw: st.DrawFn, *choices: st.SearchStrategy[T]) -> T:
    """Draw any of these. What is given twice is drawn twice as often, unlike with `one_of`."""
    return draw(choices[draw(st.integers(0, len(choices) - 1))])


# -- Cart ids --------------------------------------------------------------------------------------
_IDS = st.uuids() | st.sampled_from([UUID(int=0), UUID(int=2**128 - 1), UUID(int=1)])
_CASES: list[Callable[[str], str]] = [str.lower, str.upper, str.title]
_HYPHENATED = [8, 4, 4, 4, 12]
_SIZES = st.sampled_from([_HYPHENATED, _HYPHENATED, [32]])
_FORMS = ["*", "{*}", "urn:uuid:*"]
_WRONG_FORMS = ["URN:UUID:*", "uuid:*", "{*", "*}", "{{*}}", "{urn:uuid:*}", "urn:uuid:{*}", " *"]
_WRONG_FORMS += ["*\n", "0x*", '"*"', "(*)", "*-", "\ufeff*", "*\0", "urn:uuid:urn:uuid:*"]
_PATCHES = ["", "-", "_", "{", "}", "\n", "0", "F", "g", "--", "{{", "\uff10", "\uff41", "\u0660"]
_PATCHES += ["\0", "\u212a", "é"]


@st.composite
def uuid_texts(draw: st.DrawFn) -> str:
    """Draw an id in some case, grouping and form, damaged in up to two places."""
    digits = draw(st.sampled_from(_CASES))(draw(_IDS).hex)
    forms = [st.sampled_from(_FORMS)] * 4
    form = draw(_weighted(*forms, st.sampled_from(_WRONG_FORMS)))
    sizes = draw(_weighted(_SIZES, _SIZES, _SIZES, st.permutations(_HYPHENATED)))
    text = form.replace("*", "-".join(_cut(digits, sizes)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at, removed = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(st.sampled_from(_PATCHES)) + text[at + removed :]
    return text


def _cut(digits: str, sizes: list[int]) -> list[str]:
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    return [digits[end - size : end] for end, size in zip(ends, sizes, strict=True)]


# -- Values ----------------------------------------------------------------------------------------
# As JSON writes them. The members' rules (R11-R13) decide about these...
_NUMBERS = ["0", "-0", "1299", "-1", "10.0", "1e3", "0e0", "1e-400", "0." + "9" * 5000, "9" * 4300]
_NUMBERS += [str(number) for number in (2**31, 2**53 - 1, 2**53, 2**63, -(2**63) - 1, 2**64)]
_STRINGS = ["", " ", "\u00a0\u3000", "\\u0020\\n", "sku", "\\u0000", "a\\u0000", "\x7f", "\\/"]
_STRINGS += ["\\ud83d\\ude00", "\ufeff", "\u2028", "\uffff", "\u200b", "\x85", "\\u001c", "'", "%s"]
_STRINGS += [unit * times for unit in ("x", "\U0001f600") for times in (255, 256, 1000, 1001)]
_OTHERS = ["null", "true", "false", "[]", "{}", '["sku"]', '{"price":-1}', "[" * 90 + "]" * 90]
_JSON = [*_NUMBERS, *(f'"{text}"' for text in _STRINGS), *_OTHERS]

# ... and these are no JSON, or none that R15 takes; the last ones are, but at the stack's end.
_NOT_JSON = ["01", "1.", "+1", ".5", "-", "0x10", "1_000", "\uff11", "NaN", "Infinity", "-Infinity"]
_NOT_JSON += ["1e400", "-1e400", "9" * 4301, "-" + "9" * 8000, "9" * 310 + ".5", "nul", "True", ""]
_NOT_JSON += [
    f'"{text}"' for text in ("\0", "\t", "\\", "\\x", "\\u12", "\\ud83d", "\\ude00\\ud83d")
]
_NOT_JSON += ['"\\uD83Dx"', '"\ud83d"', "'a'", "[1,]", '{"a":1,}', "{1:2}", '{"\\ud83d":1}', "//"]
_NOT_JSON += ["[" * 9000, *("[" * depth + "]" * depth for depth in (950, 1100, 4000))]

_TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=4,
)
_DUMPED = st.builds(
    lambda value, ascii_: json.dumps(value, ensure_ascii=ascii_), _VALUES, st.booleans()
)

# -- Bodies ----------------------------------------------------------------------------------------
_KEYS = ["product_id", "name", "price", "name", "price", "cart_id", "x", "\\u0070rice", "Price", ""]
_MEMBERS = st.tuples(
    st.sampled_from(_KEYS),
    _weighted(st.sampled_from(_JSON), st.sampled_from(_JSON), st.sampled_from(_JSON), _DUMPED),
)
_WRONG_MEMBERS = st.tuples(st.sampled_from([*_KEYS, "\\ud83d", "a\tb"]), st.sampled_from(_NOT_JSON))
_BASES = [['"product_id":"sku"'], ['"product_id": "sku", "name": "Socks", "price": 5'], []]


@st.composite
def _objects(draw: st.DrawFn, *, wrong: bool = False) -> bytes:
    """Draw members in any number and order, often beside valid ones, some repeated."""
    members = list(draw(st.sampled_from(_BASES)))
    added = draw(st.lists(_MEMBERS, max_size=3))
    for key, value in [*added, draw(_WRONG_MEMBERS)] if wrong else added:
        members.insert(draw(st.integers(0, len(members))), f'"{key}":{value}')
    return f"{{{','.join(members)}}}".encode("utf-8", "surrogatepass")


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """Draw an object with some bytes inserted or removed anywhere."""
    raw = draw(_objects())
    at, removed = draw(st.integers(0, len(raw))), draw(st.sampled_from([0, 1, 5, len(raw)]))
    patches = [b"", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xef\xbb\xbf", b"\0", b" ", b"}", b'"']
    return raw[:at] + draw(st.sampled_from(patches) | st.binary(max_size=3)) + raw[at + removed :]


def bodies() -> st.SearchStrategy[bytes]:
    """Draw bodies: mostly JSON objects, else wrong in one way or altogether."""
    others = st.one_of(
        st.binary(max_size=40),
        _DUMPED.map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.sampled_from([b"", b"\xef\xbb\xbf{}", b"[" * 9000, b'{"a":' * 3000, b"{" * 16_385]),
        _objects().map(lambda raw: raw.decode("utf-8", "replace").encode("utf-16")),
    )
    sound = _objects()
    return _weighted(sound, sound, sound, sound, _objects(wrong=True), _damaged(), others)
