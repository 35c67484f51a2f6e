"""The drain's end of the streams: a consumer group, and what a dead consumer has left."""

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from django.db import Error, connection

from tracker import counters
from tracker.adds import Record
from tracker.intake.contract import Backlog, Batch, Unavailable
from tracker.intake.stream.entries import (
    GROUP,
    MalformedEntryError,
    as_text,
    record_of,
    stream_names,
)
from tracker.intake.stream.server import (
    ERRORS,
    FullServer,
    Server,
    backlog_of,
    count_records,
    leave_groups,
    make_groups,
    raise_if_failed,
)
from tracker.intake.stream.url import Address, Options
from tracker.models import DeadLetter
from tracker.rows.errors import first_line

log = logging.getLogger(__name__)

_CLAIM_RECORDS = 100  # For one XAUTOCLAIM. The server looks at ten times as many.

Entry = tuple[str, bytes, dict[bytes, bytes]]


class StreamReader:
    """Reads the entries of all streams as one consumer of their group; see tracker.intake.Source.

    Any number of processes may read at once: the server gives each new entry to one of them. What
    one has read and not acknowledged for `claim_ms` is taken over by another, be the first dead or
    only slow: merging a record twice changes nothing. All methods but `close` raise Unavailable
    while the server can't be used; the next call tries again.
    """

    def __init__(self, address: Address, options: Options) -> None:
        self._address, self._options = address, options
        self._streams = deque(stream_names(options.streams))
        # Never one that was used before: what it left would look like this process's own.
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}"
        self._server: Server | None = None
        self._acknowledged: dict[str, list[bytes]] = {}  # Merged, but maybe not forgotten yet.
        self._claims: deque[tuple[str, bytes]] = deque()  # Where to go on looking for the left.
        self._claim_at = 0.0
        self._has_read = False

    def read(self, max_records: int) -> Batch | None:
        """What others have left, then new entries. None if there is neither now."""
        entries: list[Entry] = []  # What was read before a failure counts.
        try:
            with self._reaching() as server:
                self._has_read = True
                self._forget(server)
                entries += self._claim(server, max_records)
                entries += self._read_new(server, max_records - len(entries))
        except Unavailable:
            if not entries:
                raise
        return self._batch(entries, more=len(entries) >= max_records) if entries else None

    def _batch(self, entries: list[Entry], *, more: bool) -> Batch:
        records: list[Record] = []
        ids: dict[str, list[bytes]] = {}
        for stream, entry_id, fields in entries:
            try:
                records.append(record_of(entry_id, fields))
            except MalformedEntryError as error:
                if not self._bury(stream, entry_id, fields, error):
                    continue
            ids.setdefault(stream, []).append(entry_id)
        return Batch(records, more, ids)

    def acknowledge(self, batch: Batch) -> None:
        """Forget a batch; if the server is away, at the next call of this or of `read`."""
        for stream, ids in batch.token.items():
            self._acknowledged.setdefault(stream, []).extend(ids)
        with self._reaching() as server:
            self._forget(server)

    def backlog(self) -> Backlog:
        with self._reaching() as server:
            return backlog_of(server, self._streams)

    def is_empty(self) -> bool:
        """See Source.is_empty. What a dead drain has read is waited for until it can be claimed."""
        with self._reaching() as server:
            return count_records(server, self._streams) == 0

    def close(self) -> None:
        """Take this consumer out of the groups, unless others have to take over what it read."""
        if self._server is None:
            return
        try:
            if self._has_read:  # Who only looks how much waits is no consumer, and may not be one.
                leave_groups(self._server, self._streams, self._consumer)
        except ERRORS as error:
            log.warning("the consumer %s stays in its groups: %s", self._consumer, error)
        self._server.close()
        self._server = None

    @contextmanager
    def _reaching(self) -> Iterator[Server]:
        try:
            if self._server is None:
                self._server = self._open()
            yield self._server
        except ERRORS as error:
            self._renew()
            raise Unavailable(first_line(error)) from error

    def _open(self) -> Server:
        server = Server(self._address, self._options)
        try:
            make_groups(server, self._streams)
        except FullServer:
            # Only draining makes room again. If a group is missing, reading will tell.
            log.warning("the server's memory is full")
        except ERRORS:
            server.close()
            raise
        return server

    def _renew(self) -> None:
        try:
            if self._server is not None:
                self._server.renew()
        except ERRORS as error:
            log.warning("the streams can't be reached: %s", first_line(error))

    def _read_new(self, server: Server, room: int) -> Iterator[Entry]:
        """Entries that nobody has read: an equal share of each stream, more of those that have it.

        So one long stream does not keep the others waiting, nor short ones make small batches.
        """
        self._streams.rotate(-1)
        streams = list(self._streams)
        while streams and room > 0:
            share, asked = max(1, room // len(streams)), streams[:room]
            streams = streams[room:]
            for stream, entries in self._ask_for_new(server, asked, share):
                if entries is None or len(entries) >= share:
                    streams.append(stream)
                for entry_id, fields in entries or ():
                    room -= 1
                    yield stream, entry_id, fields

    def _ask_for_new(
        self, server: Server, streams: list[str], count: int
    ) -> Iterator[tuple[str, list[Any] | None]]:
        """The new entries of each stream; None if it is worth asking again."""

        def read(pipeline: Any, stream: str) -> None:
            pipeline.xreadgroup(GROUP, self._consumer, {stream: ">"}, count=count)

        for stream, reply in server.ask(streams, read):
            if self._repaired(server, stream, reply):
                yield stream, None
            else:
                yield stream, reply[0][1] if reply else []

    def _claim(self, server: Server, room: int) -> Iterator[Entry]:
        """Entries that their readers have not acknowledged for `claim_ms`, up to `room`."""
        now = time.monotonic()
        if not self._claims and now >= self._claim_at:
            self._claims.extend((stream, b"0-0") for stream in self._streams)
            self._claim_at = now + self._options.claim_ms / 2000
        while self._claims and room > 0:
            stream, cursor = self._claims.popleft()
            cursor, entries = self._claim_from(server, stream, cursor, min(room, _CLAIM_RECORDS))
            if cursor != b"0-0":
                self._claims.appendleft((stream, cursor))
            for entry_id, fields in entries:
                room -= 1
                yield stream, entry_id, fields

    def _claim_from(
        self, server: Server, stream: str, cursor: bytes, count: int
    ) -> tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]:
        """One step through a group's pending entries: where to go on, and what was taken over."""

        def claim(pipeline: Any, name: str) -> None:
            claim_ms = self._options.claim_ms
            pipeline.xautoclaim(name, GROUP, self._consumer, claim_ms, cursor, count=count)

        [(_, reply)] = server.ask([stream], claim)
        if self._repaired(server, stream, reply):
            return b"0-0", []
        # Redis 6 shows a deleted entry as a nil among the others, later ones list its id.
        entries = [(entry_id, fields) for entry_id, fields in reply[1] if fields is not None]
        deleted = len(reply[1]) - len(entries) + len(reply[2] if len(reply) > 2 else ())
        if deleted:
            counters.DELETED.inc(deleted)
            log.error("%s entries of %s were deleted before they became rows", deleted, stream)
        return reply[0], entries

    def _repaired(self, server: Server, stream: str, reply: Any) -> bool:
        """Whether the group was lost, and is there again. Raises ERRORS for any other failure.

        It reads the stream from the beginning: what had been read is merged again, to no effect.
        """
        if not str(reply).startswith("NOGROUP"):
            raise_if_failed(reply)
            return False
        counters.GROUPS_LOST.inc()
        log.error("%s has lost its consumer group, and maybe accepted adds: made anew", stream)
        make_groups(server, [stream])
        return True

    def _forget(self, server: Server) -> None:
        """Acknowledge and delete, both or neither, what has become rows. Raises ERRORS."""
        while self._acknowledged:
            stream, ids = next(iter(self._acknowledged.items()))
            if ids:
                pipeline = server.node(stream).pipeline(transaction=True)
                pipeline.xack(stream, GROUP, *ids)
                pipeline.xdel(stream, *ids)
                pipeline.execute()
            del self._acknowledged[stream]

    def _bury(
        self, stream: str, entry_id: bytes, fields: dict[bytes, bytes], reason: MalformedEntryError
    ) -> bool:
        """Keep a malformed entry as a dead letter. If the database is away, it is claimed again."""
        try:
            DeadLetter.keep(as_text(stream, entry_id, fields), str(reason))
        except Error as error:
            log.warning("a malformed entry waits for the database: %s", first_line(error))
            connection.close()  # It may be what is broken.
            return False
        counters.MALFORMED.inc()
        log.error("%s %s went to the dead letters: %s", stream, entry_id.decode(), reason)
        return True
