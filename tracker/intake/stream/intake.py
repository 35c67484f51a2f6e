"""valkey://host:port/db : append an entry to a stream on Valkey or Redis before the reply."""

import logging
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tracker.adds import Add
from tracker.intake.contract import Backlog, Unavailable
from tracker.intake.stream.entries import FIELD, encode, next_id, place_of, stream_names
from tracker.intake.stream.server import (
    ERRORS,
    STALE,
    Node,
    Server,
    backlog_of,
    keeps_a_log,
    make_groups,
    raise_if_failed,
    refuse_eviction,
)
from tracker.intake.stream.url import Address, Options
from tracker.rows.errors import first_line

if TYPE_CHECKING:
    from tracker.intake.stream.reader import StreamReader

log = logging.getLogger(__name__)

# Shares of STORE_TIMEOUT_S: how long the server waits for its disk or its replicas, and until when
# a failure leaves time for a second try.
_ACK_WITHIN, _RETRY_WITHIN = 0.65, 0.15
# After an add that timed out, others are refused at once for this long. They would time out, too,
# and the requests behind them would wait for a thread for longer than R32 allows.
PAUSE_S = 1
# How long a check of the capacity is valid: a check costs a round trip.
_CAPACITY_VALID_S = 0.25


Entry = tuple[str, Add]  # With its stream's name.


class NotKeptError(Exception):
    """The server works, but did not keep the entry as `ack` demands."""


class StreamIntake:
    """Add one entry to the cart's stream before the reply.

    A 200 survives what the server's own settings promise. With `ack=waitaof` the entry is on the
    server's disk before the reply, with `ack=wait:N` on N replicas.

    Raises ImproperlyConfigured if the URL is wrong.
    """

    blocks = True

    def __init__(self, url: SplitResult) -> None:
        self.options = Options.parse(url.query)
        self.address = Address.parse(url, self.options)
        self.streams = stream_names(self.options.streams)
        self._wait, self._copies = _waiting(self.options.ack)
        self._server: Server | None = None
        self._opened_by = 0
        self._next_ids: dict[str, str] = {}
        self._backlog, self._counted_at = Backlog(bytes=0, oldest_age_s=0, records=0), 0.0
        self._paused_until = 0.0

    def accept(self, *adds: Add) -> None:
        """See Intake.accept. One round trip; in a cluster one to each node."""
        begin = time.monotonic()
        if begin < self._paused_until:
            raise Unavailable
        try:
            self._append_at_last(adds, until=begin + _RETRY_WITHIN * settings.STORE_TIMEOUT_S)
        except (*ERRORS, NotKeptError, ImproperlyConfigured) as error:
            if time.monotonic() - begin > _RETRY_WITHIN * settings.STORE_TIMEOUT_S:
                self._paused_until = time.monotonic() + PAUSE_S
            log.warning("%s adds not stored: %s", len(adds), first_line(error))
            raise Unavailable from error

    def check(self) -> None:
        """See Intake.check."""
        try:
            self._counted_at = 0.0
            self._require_capacity(self._opened())
        except (*ERRORS, NotKeptError) as error:
            raise Unavailable(first_line(error)) from error

    def warnings(self) -> list[str]:
        """See Intake.warnings."""
        try:
            nodes = {self._opened().node(stream) for stream in self.streams}
            kept = all(keeps_a_log(node) for node in nodes)
        except (*ERRORS, ImproperlyConfigured) as error:
            return [first_line(error)]
        return [] if kept else ["The server keeps no log (appendonly no): its restart loses adds."]

    def source(self) -> "StreamReader":
        """See Intake.source."""
        from tracker.intake.stream.reader import StreamReader

        return StreamReader(self.address, self.options)

    def close(self) -> None:
        """See Intake.close."""
        if self._server is not None:
            self._server.close()
        self._server = None

    def _opened(self) -> Server:
        """Return the server of this process. A forked child opens its own.

        Threads that call at the same time may each open one. The last one stays.
        """
        if self._server is not None and self._opened_by == os.getpid():
            return self._server
        server = Server(self.address, self.options)
        try:
            for node in {server.node(stream) for stream in self.streams}:
                refuse_eviction(node)
            make_groups(server, self.streams)
        except BaseException:
            server.close()
            raise
        self._server, self._opened_by = server, os.getpid()
        return server

    def _append_at_last(self, adds: Sequence[Add], *, until: float) -> None:
        """Append, and try once more if the server was restarted or replaced meanwhile.

        If some entries were stored already, that does no harm. Not `retry`, because that pauses,
        and this reply can't wait (R32).
        """
        server = self._opened()
        try:
            self._require_capacity(server)
            self._append(server, adds)
        except STALE:
            if time.monotonic() > until:
                raise
            server.renew()
            self._require_capacity(server)
            self._append(server, adds)

    def _append(self, server: Server, adds: Sequence[Add]) -> None:
        """Append adds to their streams. Raises ERRORS or NotKeptError."""
        by_node: dict[Node, list[Entry]] = {}
        for add in adds:
            stream = self.streams[place_of(add.cart_id, len(self.streams))]
            by_node.setdefault(server.node(stream), []).append((stream, add))
        for node, entries in by_node.items():
            self._append_to(node, entries)

    def _append_to(self, node: Node, entries: list[Entry]) -> None:
        """Append adds to the streams of one server. Raises ERRORS or NotKeptError.

        The replies are checked here, because the client's own errors for a pipeline quote the
        command, and no cart id may get into the log.
        """
        pipeline: Any = node.pipeline(transaction=False)
        ids = [self._next_ids.pop(stream, "*") for stream, _ in entries]
        for (stream, add), entry_id in zip(entries, ids, strict=True):
            pipeline.xadd(stream, {FIELD: encode(add)}, id=entry_id)
        if self._wait:
            pipeline.execute_command(*self._wait)
        replies = pipeline.execute(raise_on_error=False)
        added, waited = replies[: len(entries)], replies[len(entries) :]
        again = []  # Entries whose stream has a higher id by now: another process added to it.
        for entry, entry_id, reply in zip(entries, ids, added, strict=True):
            if isinstance(reply, Exception) and entry_id != "*":
                again.append(entry)
                continue
            raise_if_failed(reply)
            if wanted := next_id(reply):
                self._next_ids[entry[0]] = wanted
        raise_if_failed(*waited)
        self._require_copies(waited)
        if again:
            self._append_to(node, again)

    def _require_copies(self, waited: list[Any]) -> None:
        for reply in waited:
            copies = reply[0] if isinstance(reply, list) else reply
            if copies < self._copies:
                raise NotKeptError(f"on {copies} of {self._copies} disks or replicas in time")

    def _require_capacity(self, server: Server) -> None:
        now = time.monotonic()
        if now - self._counted_at >= _CAPACITY_VALID_S:
            self._counted_at = now  # First, so that other threads do not count as well.
            self._backlog = backlog_of(server, self.streams)
        if self._backlog.records >= self.options.max_records:
            raise NotKeptError(f"the backlog has reached {self.options.max_records} records")
        if self._backlog.oldest_age_s > self.options.max_age_s:
            raise NotKeptError(f"the backlog is older than {self.options.max_age_s} s")


def _waiting(ack: str) -> tuple[tuple[str | int, ...], int]:
    """Return the command that makes the server wait, and the count that it must reply."""
    timeout_ms = int(_ACK_WITHIN * settings.STORE_TIMEOUT_S * 1000)
    if ack == "none":
        return (), 0
    if ack == "waitaof":
        return ("WAITAOF", 1, 0, timeout_ms), 1
    copies = int(ack.removeprefix("wait:"))
    return ("WAIT", copies, timeout_ms), copies
