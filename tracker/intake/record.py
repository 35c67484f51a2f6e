"""Records as lines of bytes, the form in which they wait for the drain."""

from uuid import UUID
from zlib import crc32

import msgspec
from msgspec import UNSET, UnsetType

from tracker.adds import Add, Record


class CorruptRecordError(ValueError):
    """A line has a wrong checksum or form: it is not what was written."""


class _Line(msgspec.Struct, omit_defaults=True):
    """The JSON of a record. Members that the storefront did not send are missing (R21)."""

    v: int
    c: UUID
    p: str
    n: str | None | UnsetType = UNSET
    r: int | None | UnsetType = UNSET


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def dump(add: Add, version: int) -> bytes:
    """Return a record as a line: a CRC-32 of the JSON in eight hex digits, the JSON, a newline."""
    body = _encode(_Line(version, add.cart_id, add.product_id, add.name, add.price))
    return b"%08x %b\n" % (crc32(body), body)


def load(line: bytes) -> Record:
    """Return the record of a line with or without newline. Raises CorruptRecordError."""
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    if checksum != b"%08x" % crc32(body):
        raise CorruptRecordError("the checksum does not match")
    try:
        found = _decode(body)
    except msgspec.MsgspecError as error:
        raise CorruptRecordError(str(error)) from None
    return Record(Add(found.c, found.p, found.n, found.r), found.v)
