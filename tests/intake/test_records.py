"""What waits in an intake was written by other code, maybe by newer: it is read all the same."""

from uuid import UUID
from zlib import crc32

from tracker.adds import Add, Record
from tracker.intake.record import load
from tracker.intake.stream.entries import FIELD, record_of

CART = UUID(int=7)


def test_a_line_with_a_member_of_tomorrow_is_read() -> None:
    body = b'{"v":5,"c":"%b","p":"sku-1","r":100,"quantity":2}' % str(CART).encode()
    line = b"%08x %b\n" % (crc32(body), body)
    assert load(line) == Record(Add(CART, "sku-1", price=100), 5)


def test_an_entry_with_a_member_of_tomorrow_is_read() -> None:
    body = b'{"cart_id":"%b","product_id":"sku-1","price":100,"quantity":2}' % str(CART).encode()
    assert record_of(b"1-0", {FIELD: body}) == Record(Add(CART, "sku-1", price=100), 1_000_000)
