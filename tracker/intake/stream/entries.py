"""The streams and their entries: names, ids, and an add as the only field of an entry."""

import json
from uuid import UUID
from zlib import crc32

import msgspec

from tracker.adds import Add, Record

GROUP = "drain"
FIELD = b"add"
# Half of the versions between two milliseconds; see version_of.
CROWDED = 500_000
_HIGHEST_VERSION = 2**63 - 1

encode = msgspec.json.Encoder().encode  # A member that was not sent is not there (R21).
_decode = msgspec.json.Decoder(Add).decode


class MalformedEntryError(ValueError):
    """An entry was not written by an intake."""


def stream_names(count: int) -> tuple[str, ...]:
    """Return the names of the streams. The braces make a cluster spread them."""
    return tuple(f"cart-tracker:{{{number}}}" for number in range(count))


def place_of(cart_id: UUID, streams: int) -> int:
    """Return a cart's stream, the same in every process, so that one stream orders its adds."""
    return crc32(cart_id.bytes) % streams


def split_id(entry_id: bytes) -> tuple[int, int]:
    """Split b"1712345678901-5" into milliseconds since 1970 and the number within them."""
    ms, _, number = entry_id.partition(b"-")
    return int(ms), int(number)


def version_of(entry_id: bytes) -> int:
    """Return the version of an entry's record. It increases with the ids of the stream (R22).

    A server never gives an id below the stream's last one, which is replicated with the stream. So
    after a fail-over to a server whose clock is behind, the milliseconds stay and the number
    increases. `next_id` ends that long before the number reaches the next millisecond's versions.
    """
    ms, number = split_id(entry_id)
    return min(ms * 1_000_000 + number, _HIGHEST_VERSION)


def next_id(entry_id: bytes) -> str | None:
    """Return the id to ask for next: a new millisecond if this one is half full, else None."""
    ms, number = split_id(entry_id)
    return f"{ms + 1}-*" if number >= CROWDED else None


def record_of(entry_id: bytes, fields: dict[bytes, bytes]) -> Record:
    """Return the record of an entry.

    Raises MalformedEntryError, with a reason that does not repeat the content.
    """
    if fields.keys() != {FIELD}:
        raise MalformedEntryError(f"an entry has one field, {FIELD.decode()}")
    try:
        add = _decode(fields[FIELD])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedEntryError(str(error)) from None
    return Record(add, version_of(entry_id))


def as_text(stream: str, entry_id: bytes, fields: dict[bytes, bytes]) -> str:
    """Return an entry, whatever its bytes, as text that every database can store."""
    shown = {_printable(name): _printable(value) for name, value in fields.items()}
    return json.dumps({"stream": stream, "id": entry_id.decode(), "fields": shown})


def _printable(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
