"""CSV cells: no text of a stranger's begins a formula, and none that is harmless is changed."""

import csv
import io
import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker.console.export.spreadsheet import head, inert, lines, units

SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫"  # noqa: RUF001
RISKY = SIGNS + " \t\r\n;,\"'\u2019\u00a0\u200b\ufeff\x07a1"
TEXTS = st.text(st.sampled_from(RISKY), max_size=8) | st.text()


def parsed(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def begins_a_formula(text: str) -> bool:
    """As the most generous reader would have it, which skips all that is not shown or quotes."""
    for character in text:
        category = unicodedata.category(character)
        if unicodedata.normalize("NFKC", character) in SIGNS:
            return character in SIGNS
        if character in "\t\r\n":
            return True
        if category[0] not in "ZC" and character not in "\"'`´«»‘’‚‛“”„‟‹›＂＇":  # noqa: RUF001
            return False
        if category in ("Cs", "Co", "Cn"):  # Shown as a box.
            return False
    return False


@pytest.mark.parametrize("text", ["", "Socks", "a=b", "1-2", "e@x.example", "Socks, -20%", "ab;c"])
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


@given(TEXTS)
@example(";;=1")
@example("  =1")
@example('x";=1+1')
@example("x\n@SUM(A1)")
@example("\ufeff=1")
@example("\u00a0\u200b“=1")
@example('a; \u200b"=1')
@settings(max_examples=1000)
def test_no_text_begins_a_formula_whatever_separates(text: str) -> None:
    written = inert(text)
    pieces = re.split(r"[;\t\r\n]", written)
    apostrophes = [piece.startswith("'") for piece in pieces]
    assert written.startswith("'") or not begins_a_formula(written)
    for piece, has_apostrophe in zip(pieces, apostrophes, strict=True):
        assert has_apostrophe or not begins_a_formula(piece)


@given(TEXTS)
def test_nothing_but_apostrophes_is_added(text: str) -> None:
    assert inert(text).replace("'", "") == text.replace("'", "")


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1))
def test_what_is_written_can_be_read_back(rows: list[list[str]]) -> None:
    """RFC 4180: quotes doubled, CRLF after every line, line breaks inside of quotes kept."""
    written = lines(rows)
    assert written.endswith(b"\r\n")
    assert parsed(written) == [[inert(cell) for cell in row] for row in rows]


def test_numbers_stay_numbers_and_text_is_quoted() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    written = lines([["007", 1299, units(1299), when, None]])
    assert written == b'"007",1299,12.99,"2026-01-02 03:04:05",""\r\n'


def test_a_file_says_that_it_is_utf_8() -> None:
    assert head(["a", "b"]) == b"\xef\xbb\xbfa,b\r\n"


@pytest.mark.parametrize(
    ("cents", "written"), [(0, "0.00"), (5, "0.05"), (10**30 - 1, "9" * 28 + ".99")]
)
def test_an_amount_is_exact(cents: int, written: str) -> None:
    assert str(units(Decimal(cents))) == written


def test_no_amount_is_no_zero() -> None:
    assert units(None) is None
