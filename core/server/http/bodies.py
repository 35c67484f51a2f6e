"""Collect the body of a request: of a known length, or in chunks (RFC 9112, sections 6 and 7)."""

import re
from enum import Enum, auto

from core.server.http.head import (
    HEAD_TOO_LARGE,
    MAX_HEAD_BYTES,
    RefusedError,
    malformed,
    parse_field,
)
from tracker.endpoint.body import body_too_large

# How many bytes of one body may be lines with sizes, extensions and line ends. A body of an add in
# chunks of one byte each needs 98,304.
MAX_FRAMING_BYTES = 131_072

_NAME = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*"'
_EXTENSION = rb"[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?" % (_NAME, _NAME, _QUOTED)
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)(?:%b)*\r\n" % _EXTENSION)


class SizedBody:
    """Collect a body of a known length."""

    __slots__ = ("_length", "data")

    def __init__(self, length: int) -> None:
        self.data = bytearray()
        """What has arrived of the body."""
        self._length = length

    @property
    def is_complete(self) -> bool:
        return len(self.data) == self._length

    def read(self, buffer: bytes, start: int) -> int:
        """Take what is in the buffer from `start` on. Return where the part begins that is left."""
        end = min(len(buffer), start + self._length - len(self.data))
        self.data += buffer[start:end]
        return end


class _Part(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    DONE = auto()


class ChunkedBody:
    """Collect the data of a chunked body. Extensions and trailers are checked and dropped.

    A trailer must not pose as a header: a proxy has checked the headers, not what follows the body
    (RFC 9110, section 6.5.1).
    """

    __slots__ = ("_framing_bytes", "_left", "_max_bytes", "_part", "_trailer_bytes", "data")

    def __init__(self, max_bytes: int) -> None:
        self.data = bytearray()
        """What has arrived of the body."""
        self._max_bytes = max_bytes
        self._part = _Part.SIZE
        self._left = 0  # Of the current chunk.
        self._framing_bytes = self._trailer_bytes = 0

    @property
    def is_complete(self) -> bool:
        return self._part is _Part.DONE

    def read(self, buffer: bytes, start: int) -> int:
        """Decode what is in the buffer from `start` on.

        Return where the part begins that was not used, because more must arrive first or because
        the body is complete. Raises RefusedError.
        """
        while self._part is not _Part.DONE:
            used = self._READERS[self._part](self, buffer, start)
            if not used:
                break
            start += used
        return start

    # Each of these returns how many bytes it used, 0 if it needs more.

    def _read_size(self, buffer: bytes, start: int) -> int:
        line = self._line(buffer, start)
        self._framing_bytes += len(line)
        if self._framing_bytes + (0 if line else len(buffer) - start) > MAX_FRAMING_BYTES:
            raise RefusedError(body_too_large(self._max_bytes))
        if not line:
            return 0
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise malformed("A chunk of the body does not begin with its size.")
        self._left = int(found[1], 16)
        if len(self.data) + self._left > self._max_bytes:
            raise RefusedError(body_too_large(self._max_bytes))
        self._part = _Part.DATA if self._left else _Part.TRAILER
        return len(line)

    def _read_data(self, buffer: bytes, start: int) -> int:
        piece = buffer[start : start + self._left]
        self.data += piece
        self._left -= len(piece)
        if not self._left:
            self._part = _Part.DATA_END
        return len(piece)

    def _read_data_end(self, buffer: bytes, start: int) -> int:
        end = buffer[start : start + 2]
        if not b"\r\n".startswith(end):
            raise malformed("A chunk of the body is longer than its size.")
        if len(end) < 2:
            return 0
        self._framing_bytes += 2
        self._part = _Part.SIZE
        return 2

    def _read_trailer(self, buffer: bytes, start: int) -> int:
        line = self._line(buffer, start)
        self._trailer_bytes += len(line)
        if self._trailer_bytes + (0 if line else len(buffer) - start) > MAX_HEAD_BYTES:
            raise RefusedError(HEAD_TOO_LARGE)
        if line == b"\r\n":
            self._part = _Part.DONE
        elif line:
            if not line.endswith(b"\r\n"):
                raise malformed("A line after the body does not end with CR and LF.")
            parse_field(line[:-2].decode("latin-1"))
        return len(line)

    @staticmethod
    def _line(buffer: bytes, start: int) -> bytes:
        """Return the next line with its end, or nothing if that has not arrived."""
        return buffer[start : buffer.find(b"\n", start) + 1]

    _READERS = {
        _Part.SIZE: _read_size,
        _Part.DATA: _read_data,
        _Part.DATA_END: _read_data_end,
        _Part.TRAILER: _read_trailer,
    }
