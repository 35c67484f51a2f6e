"""The server that holds the streams: one Valkey or Redis, behind Sentinels, or a cluster."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from redis import exceptions
from redis.backoff import NoBackoff
from redis.client import Redis
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from tracker.intake.contract import Backlog
from tracker.intake.stream.entries import GROUP, split_id
from tracker.intake.stream.url import Address, Options

log = logging.getLogger(__name__)

# All errors of the server and of the connection to it.
ERRORS = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
# Errors of a restart, a fail-over or a moved slot: looking for the server again may help.
STALE = (exceptions.ConnectionError, exceptions.ReadOnlyError, exceptions.AskError)
Node = Redis  # One server's client.
FullServer = exceptions.OutOfMemoryError

# Shares of STORE_TIMEOUT_S. A host's name may have two addresses to try.
CONNECT, ANSWER = 0.4, 0.8


class Server:
    """A client that knows which server has which stream. Thread-safe: one connection per thread.

    Every failure raises one of ERRORS; nothing is tried twice here. The constructor asks a cluster
    for its map; a single server is first asked by the first command.
    """

    def __init__(self, address: Address, options: Options) -> None:
        self._is_cluster = bool(options.cluster)
        self._cluster = partial(_cluster, address, options)
        self._client: Any  # Of the two kinds of client, one lacks most of its types.
        if options.cluster:
            self._client = self._cluster()
        elif options.sentinel:
            self._client = _behind_sentinels(address, options)
        else:
            [(host, port)] = address.hosts
            self._client = Redis(host, port, **_one_server(address, options))

    def node(self, stream: str) -> Redis:
        """Return the client of the server that has this stream."""
        client: Any = self._client  # `renew` may replace it meanwhile.
        found: Redis = client
        if self._is_cluster:
            found = client.get_redis_connection(client.get_node_from_key(stream))
        return found

    def ask(
        self, streams: Iterable[str], command: Callable[[Any, str], object]
    ) -> Iterator[tuple[str, Any]]:
        """Send one command for each stream, with one round trip for each server.

        `command` adds it to a pipeline. Yields (stream, reply); a reply may be the server's error.
        """
        by_node: dict[Redis, list[str]] = {}
        for stream in streams:
            by_node.setdefault(self.node(stream), []).append(stream)
        for node, names in by_node.items():
            pipeline = node.pipeline(transaction=False)
            for name in names:
                command(pipeline, name)
            yield from zip(names, pipeline.execute(raise_on_error=False), strict=True)

    def renew(self) -> None:
        """Forget what may be outdated: the cluster's map, or connections to a former primary."""
        if self._is_cluster:
            self._client = self._cluster()  # redis-py has no public way to read its map again.
        else:
            self._client.connection_pool.disconnect(inuse_connections=False)

    def close(self) -> None:
        self._client.close()


def _connection(address: Address, options: Options) -> dict[str, Any]:
    given: dict[str, Any] = _limits() | {
        "username": address.username,
        "password": address.password,
        "ssl": address.tls,
        "protocol": 2,  # The replies have one shape then, and Redis 5 speaks it too.
    }
    return given | ({"ssl_ca_certs": options.ca_file} if options.ca_file else {})


def _one_server(address: Address, options: Options) -> dict[str, Any]:
    return _connection(address, options) | {"db": address.db, "retry": Retry(NoBackoff(), 0)}


def _limits(part: float = 1) -> dict[str, Any]:
    limit_s = settings.STORE_TIMEOUT_S * part
    return {"socket_timeout": ANSWER * limit_s, "socket_connect_timeout": CONNECT * limit_s}


def _behind_sentinels(address: Address, options: Options) -> Redis:
    """Make a client that asks the Sentinels for the primary each time it connects."""
    # A Sentinel that does not answer must leave time to ask the next.
    asking = _limits(0.25) | {"protocol": 2, "retry": Retry(NoBackoff(), 0)}
    sentinels: Any = Sentinel(address.hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    client: Redis = sentinels.master_for(options.sentinel, **_one_server(address, options))
    return client


def _cluster(address: Address, options: Options) -> RedisCluster:
    nodes = [ClusterNode(*host) for host in address.hosts]  # type: ignore[no-untyped-call]
    retry = Retry(NoBackoff(), 0)
    return RedisCluster(startup_nodes=nodes, retry=retry, **_connection(address, options))


def raise_if_failed(*replies: Any) -> None:
    """Raise the first error among the replies of a pipeline."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


def make_groups(server: Server, streams: Iterable[str]) -> None:
    """Make a consumer group at each stream that reads it from the beginning. Idempotent.

    Raises ERRORS.
    """

    def create(pipeline: Any, stream: str) -> None:
        pipeline.xgroup_create(stream, GROUP, id="0", mkstream=True)

    for _, reply in server.ask(streams, create):
        if not str(reply).startswith("BUSYGROUP"):
            raise_if_failed(reply)


def count_records(server: Server, streams: Iterable[str]) -> int:
    """Count the entries in these streams. Raises ERRORS."""
    lengths = [reply for _, reply in server.ask(streams, lambda pipe, name: pipe.xlen(name))]
    raise_if_failed(*lengths)
    return sum(lengths)


def backlog_of(server: Server, streams: Sequence[str]) -> Backlog:
    """Measure the backlog of these streams. Raises ERRORS."""
    records = count_records(server, streams)
    found = [
        reply for _, reply in server.ask(streams, lambda pipe, name: pipe.xrange(name, count=1))
    ]
    raise_if_failed(*found)
    oldest_ms = [split_id(entries[0][0])[0] for entries in found if entries]
    age_s = max(0.0, time.time() - min(oldest_ms) / 1000) if oldest_ms else 0.0
    return Backlog(bytes=0, oldest_age_s=age_s, records=records)


def leave_groups(server: Server, streams: Iterable[str], consumer: str) -> None:
    """Remove a consumer from the groups in which it has nothing pending. Raises ERRORS.

    In the others it stays, because otherwise nobody could take over its entries.
    """

    def pending(pipeline: Any, stream: str) -> None:
        pipeline.xpending_range(stream, GROUP, "-", "+", 1, consumer)

    def leave(pipeline: Any, stream: str) -> None:
        pipeline.xgroup_delconsumer(stream, GROUP, consumer)

    idle = [stream for stream, reply in server.ask(streams, pending) if reply == []]
    raise_if_failed(*(reply for _, reply in server.ask(idle, leave)))


def refuse_eviction(client: Redis) -> None:
    """Check that the server never evicts keys.

    Raises ImproperlyConfigured if it may, ERRORS if it can't be asked. INFO has the setting, too,
    and providers forbid it less often than CONFIG.
    """
    try:
        policy = client.info("memory").get("maxmemory_policy", "unknown")
    except exceptions.ResponseError as error:
        log.warning("can't see whether the server evicts keys: %s", error)
        return
    if policy == "unknown":
        log.warning("the server does not say whether it evicts keys")
    elif policy != "noeviction":
        raise ImproperlyConfigured(
            f"INTAKE_URL: this server may evict accepted adds: set its maxmemory-policy, now"
            f" {policy}, to noeviction."
        )


def keeps_a_log(client: Redis) -> bool:
    """Return whether the server writes an append-only file. Raises ERRORS."""
    return bool(client.info("persistence").get("aof_enabled"))
