"""CSV (RFC 4180) that a spreadsheet reads correctly and never executes.

Texts of shops and shoppers end up in cells. A spreadsheet takes a cell that begins with = + - or @
as a formula, quoted or not, and a formula can send the sheet away (OWASP, "CSV Injection").
"""

import csv
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from io import StringIO

Cell = str | int | Decimal | datetime | None

# Without it, Excel reads a file in the machine's old code page: "Müller" becomes "MÃ¼ller".
# Programs skip it; Python does with the encoding utf-8-sig.
BOM = "\ufeff"

# Also full-width and small forms: Japanese and Chinese spreadsheets treat them as the same.
_SIGNS = r"=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
# What a reader may drop before such a sign: spaces, quotes, and invisible characters.
_PADDING = (
    r" \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
    r"\"'`\u00ab\u00b4\u00bb\u2018-\u201f\u2039\u203a\uff02\uff07"
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
)
_BREAKS = r"\t\r\n"
# Where Excel expects another separator than the comma, as in most of Europe, it ignores the quotes,
# too: a cell may begin after each semicolon, tab or line break inside one of ours.
_DANGER = re.compile(
    rf"\A(?=[{_PADDING}]*[{_SIGNS}{_BREAKS}])|(?<=[;{_BREAKS}])(?=[{_PADDING}]*[{_SIGNS}])"
)


def inert(text: str) -> str:
    """Put an apostrophe wherever a spreadsheet could begin a formula."""
    return _DANGER.sub("'", text)


def units(cents: int | Decimal | None) -> Decimal | None:
    """Convert cents to a number: 1299 to 12.99, without currency and commas."""
    if cents is None:
        return None
    whole, rest = divmod(int(cents), 100)
    return Decimal(f"{whole}.{rest:02}")  # As text: exact, whatever the context's precision.


def head(names: Iterable[str]) -> bytes:
    """Return the beginning of a file: the byte-order mark for Excel, and the column names."""
    buffer = StringIO(newline="")
    csv.writer(buffer).writerow([inert(name) for name in names])
    return (BOM + buffer.getvalue()).encode()


def lines(rows: Iterable[Iterable[Cell]]) -> bytes:
    """Return rows as CSV in UTF-8, with CRLF. All text is quoted, numbers are not.

    Times are UTC, in the form that every spreadsheet recognises. None is an empty cell.
    """
    buffer = StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([_as_csv(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode()


def _as_csv(cell: Cell) -> str | int | Decimal:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    return inert(cell) if isinstance(cell, str) else cell
