"""The streams and their entries: names, ids, and an add as the one field of an entry."""

import json
from uuid import UUID
from zlib import crc32

import msgspec

from tracker.adds import Add, Record

GROUP = "drain"
FIELD = b"add"
# Half of the versions that fit between those of two milliseconds; see version_of.
CROWDED = 500_000
_HIGHEST_VERSION = 2**63 - 1

encode = msgspec.json.Encoder().encode  # A member that was not sent is not there (R21).
_decode = msgspec.json.Decoder(Add).decode


class MalformedEntryError(ValueError):
    """An entry that no intake has written."""


def stream_names(count: int) -> tuple[str, ...]:
    """The streams. The braces make a cluster spread them by their numbers."""
    return tuple(f"cart-tracker:{{{number}}}" for number in range(count))


def place_of(cart_id: UUID, streams: int) -> int:
    """Which stream is a cart's: the same in every process, so that one stream orders its adds."""
    return crc32(cart_id.bytes) % streams


def split_id(entry_id: bytes) -> tuple[int, int]:
    """b"1712345678901-5" -> (1712345678901, 5): milliseconds since 1970, and a number in them."""
    ms, _, number = entry_id.partition(b"-")
    return int(ms), int(number)


def version_of(entry_id: bytes) -> int:
    """The version of the record in this entry: rises as the ids of its stream rise (R22).

    A server never gives an id below its stream's last one, and that is replicated with the stream.
    So after a fail-over to a server whose clock lags, the milliseconds stand still and the number
    goes on. `next_id` ends that long before the number reaches the next millisecond's versions.
    """
    ms, number = split_id(entry_id)
    return min(ms * 1_000_000 + number, _HIGHEST_VERSION)


def next_id(entry_id: bytes) -> str | None:
    """What to ask for after this entry: a new millisecond if this one is half full, else None."""
    ms, number = split_id(entry_id)
    return f"{ms + 1}-*" if number >= CROWDED else None


def record_of(entry_id: bytes, fields: dict[bytes, bytes]) -> Record:
    """Raises MalformedEntryError, with a reason that repeats nothing of the content."""
    if fields.keys() != {FIELD}:
        raise MalformedEntryError(f"an entry has one field, {FIELD.decode()}")
    try:
        add = _decode(fields[FIELD])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedEntryError(str(error)) from None
    return Record(add, version_of(entry_id))


def as_text(stream: str, entry_id: bytes, fields: dict[bytes, bytes]) -> str:
    """All of an entry, whatever its bytes, as text that every database can hold."""
    shown = {_printable(name): _printable(value) for name, value in fields.items()}
    return json.dumps({"stream": stream, "id": entry_id.decode(), "fields": shown})


def _printable(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
