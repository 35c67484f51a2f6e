"""The reading side of the streams: a consumer group, and what dead consumers have left."""

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
    """Read the entries of all streams as one consumer of their group (see contract.Source).

    Any number of processes may read at once: the server gives each new entry to one of them. After
    `claim_ms` another process takes over entries that were read and not acknowledged, even if the
    first reader is only slow: merging a record twice changes nothing. All methods except `close`
    raise Unavailable while the server can't be used; the next call tries again.
    """

    def __init__(self, address: Address, options: Options) -> None:
        self._address, self._options = address, options
        self._streams = deque(stream_names(options.streams))
        # Never a name that was used before: its pending entries would look like ours.
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}"
        self._server: Server | None = None
        self._acknowledged: dict[str, list[bytes]] = {}  # Merged, but maybe not forgotten yet.
        self._claims: deque[tuple[str, bytes]] = deque()  # Where to continue XAUTOCLAIM.
        self._claim_at = 0.0
        self._has_read = False

    def read(self, max_records: int) -> Batch | None:
        """Return what other consumers have left, then new entries, or None if there is neither."""
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
                if not self._keep_malformed(stream, entry_id, fields, error):
                    continue
            ids.setdefault(stream, []).append(entry_id)
        return Batch(records, more, ids)

    def acknowledge(self, batch: Batch) -> None:
        """Forget a batch. If the server is away, the next call of this or of `read` does it."""
        for stream, ids in batch.token.items():
            self._acknowledged.setdefault(stream, []).extend(ids)
        with self._reaching() as server:
            self._forget(server)

    def backlog(self) -> Backlog:
        with self._reaching() as server:
            return backlog_of(server, self._streams)

    def is_empty(self) -> bool:
        """See Source.is_empty. Entries that a dead drain has read count until they are claimed."""
        with self._reaching() as server:
            return count_records(server, self._streams) == 0

    def close(self) -> None:
        """Remove this consumer from the groups, unless others must take over what it has read."""
        if self._server is None:
            return
        try:
            # A process that only measures the backlog is not a consumer, and may lack its rights.
            if self._has_read:
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
            # Only draining frees memory. If a group is missing, reading notices it.
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

    def _read_new(self, server: Server, limit: int) -> Iterator[Entry]:
        """Read new entries: an equal share of each stream, and more from those that have more.

        So a long stream does not delay the others, and short streams do not make small batches.
        """
        self._streams.rotate(-1)
        streams = list(self._streams)
        while streams and limit > 0:
            share, asked = max(1, limit // len(streams)), streams[:limit]
            streams = streams[limit:]
            for stream, entries in self._ask_for_new(server, asked, share):
                if entries is None or len(entries) >= share:
                    streams.append(stream)
                for entry_id, fields in entries or ():
                    limit -= 1
                    yield stream, entry_id, fields

    def _ask_for_new(
        self, server: Server, streams: list[str], count: int
    ) -> Iterator[tuple[str, list[Any] | None]]:
        """Return the new entries of each stream, or None if asking again may help."""

        def read(pipeline: Any, stream: str) -> None:
            pipeline.xreadgroup(GROUP, self._consumer, {stream: ">"}, count=count)

        for stream, reply in server.ask(streams, read):
            if self._repaired(server, stream, reply):
                yield stream, None
            else:
                yield stream, reply[0][1] if reply else []

    def _claim(self, server: Server, limit: int) -> Iterator[Entry]:
        """Claim up to `limit` entries that their readers have not acknowledged for `claim_ms`."""
        now = time.monotonic()
        if not self._claims and now >= self._claim_at:
            self._claims.extend((stream, b"0-0") for stream in self._streams)
            self._claim_at = now + self._options.claim_ms / 2000
        while self._claims and limit > 0:
            stream, cursor = self._claims.popleft()
            cursor, entries = self._claim_from(server, stream, cursor, min(limit, _CLAIM_RECORDS))
            if cursor != b"0-0":
                self._claims.appendleft((stream, cursor))
            for entry_id, fields in entries:
                limit -= 1
                yield stream, entry_id, fields

    def _claim_from(
        self, server: Server, stream: str, cursor: bytes, count: int
    ) -> tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]:
        """Claim from one group. Return where to continue, and the claimed entries."""

        def claim(pipeline: Any, name: str) -> None:
            claim_ms = self._options.claim_ms
            pipeline.xautoclaim(name, GROUP, self._consumer, claim_ms, cursor, count=count)

        [(_, reply)] = server.ask([stream], claim)
        if self._repaired(server, stream, reply):
            return b"0-0", []
        # Redis 6 returns nil for a deleted entry; later versions list its id.
        entries = [(entry_id, fields) for entry_id, fields in reply[1] if fields is not None]
        deleted = len(reply[1]) - len(entries) + len(reply[2] if len(reply) > 2 else ())
        if deleted:
            counters.DELETED.inc(deleted)
            log.error("%s entries of %s were deleted before they became rows", deleted, stream)
        return reply[0], entries

    def _repaired(self, server: Server, stream: str, reply: Any) -> bool:
        """Create a lost group again. Return whether it was lost; raise ERRORS for other failures.

        The new group reads the stream from the beginning. Merging records again changes nothing.
        """
        if not str(reply).startswith("NOGROUP"):
            raise_if_failed(reply)
            return False
        counters.GROUPS_LOST.inc()
        log.error("%s has lost its consumer group, and maybe accepted adds: created again", stream)
        make_groups(server, [stream])
        return True

    def _forget(self, server: Server) -> None:
        """Acknowledge and delete entries that are rows, both or neither. Raises ERRORS."""
        while self._acknowledged:
            stream, ids = next(iter(self._acknowledged.items()))
            if ids:
                pipeline = server.node(stream).pipeline(transaction=True)
                pipeline.xack(stream, GROUP, *ids)
                pipeline.xdel(stream, *ids)
                pipeline.execute()
            del self._acknowledged[stream]

    def _keep_malformed(
        self, stream: str, entry_id: bytes, fields: dict[bytes, bytes], reason: MalformedEntryError
    ) -> bool:
        """Keep a malformed entry as a dead letter. If the database is away, it is claimed again."""
        try:
            DeadLetter.store(as_text(stream, entry_id, fields), str(reason))
        except Error as error:
            log.warning("a malformed entry waits for the database: %s", first_line(error))
            connection.close()  # It may be broken.
            return False
        counters.MALFORMED.inc()
        log.error("%s %s went to the dead letters: %s", stream, entry_id.decode(), reason)
        return True
