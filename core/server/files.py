"""Send files: each is in memory once, however many clients are reading it."""

import os
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from typing import Protocol

# All static files together are smaller. At the limit, the one that was asked for longest ago goes.
MAX_KEPT_BYTES = 33_554_432


class File(Protocol):
    """What an application may send as a body: an open file, or something like it."""

    def read(self, size: int = ..., /) -> bytes: ...

    def close(self) -> None: ...


class FileBody:
    """The body of a response that is a file: `wsgi.file_wrapper` of PEP 3333.

    Without it, an application reads the file in small pieces, and for each of them gives up and
    takes back the interpreter's lock.
    """

    def __init__(self, file: File, block_size: int = 65_536) -> None:
        self._file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(self._block_size), b"")

    def read(self) -> bytes:
        """Return all of it."""
        return shared.read(self._file)

    def close(self) -> None:
        """End the response. The application adds its own end of the request to this."""
        self._file.close()


class SharedFiles:
    """Keep the content of files, so that responses with the same file share the same bytes.

    Otherwise hundreds of slow readers of a file hold as many copies of it.
    """

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[int, ...], bytes] = OrderedDict()
        self._kept_bytes = 0
        self._lock = Lock()

    def read(self, file: File) -> bytes:
        """Return what is left to read of a file. A part of a file (Range) is not shared."""
        if not hasattr(file, "peek"):  # Only io.BufferedReader has this: a whole file on the disk.
            return file.read()
        state = os.fstat(file.fileno())  # type: ignore[attr-defined]
        key = (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            # Under the lock: of many who ask for a file that is not kept, only one reads it.
            content = file.read()
            if len(content) == state.st_size <= self._max_bytes:
                self._keep(key, content)
            return content

    def _keep(self, key: tuple[int, ...], content: bytes) -> None:
        self._kept[key] = content
        self._kept_bytes += len(content)
        while self._kept_bytes > self._max_bytes:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])


shared = SharedFiles()
