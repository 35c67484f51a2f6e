"""What is counted, for Prometheus.

With PROMETHEUS_MULTIPROC_DIR set, as `serve` sets it, every process keeps its numbers in files, and
the process that is asked for /metrics adds them up.
"""

import os
import threading
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

PREFIX = "cart_tracker"
PUBLISH_EVERY_S = 1.0

ACCEPTED = Counter(f"{PREFIX}_accepted", "Adds that were answered 200.")
REFUSED = Counter(f"{PREFIX}_refused", "Faults of refused requests, by code.", ["code"])
DRAINED = Counter(f"{PREFIX}_drained", "Records that the drain has moved into rows.")
MERGED = Counter(f"{PREFIX}_merged", "Items of merged batches, by outcome.", ["outcome"])
DEAD_LETTERED = Counter(f"{PREFIX}_dead_lettered", "Records that the database refused.")
CORRUPT = Counter(f"{PREFIX}_corrupt", "Records of the journal that can't be read.")
SYNC_RECORDS = Histogram(
    f"{PREFIX}_sync_records",
    "Records of the journal that one fdatasync made durable.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 1024),
)
GROUPS_LOST = Counter(f"{PREFIX}_groups_lost", "Consumer groups that had to be made again.")
MALFORMED = Counter(f"{PREFIX}_malformed", "Entries of a stream that are not records.")
DELETED = Counter(f"{PREFIX}_deleted", "Entries that somebody deleted before they became rows.")
BATCH_RECORDS = Histogram(
    f"{PREFIX}_batch_records", "Records per batch.", buckets=(1, 3, 10, 30, 100, 300, 1000)
)
BATCH_SECONDS = Histogram(
    f"{PREFIX}_batch_seconds",
    "Time to merge one batch.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3),
)

# The histogram accept_seconds. The library's own observes one value at a time, which is too slow
# for each add. So it is kept as two counters, and CountedCollector puts them together.
_ACCEPT_SECONDS = f"{PREFIX}_accept_seconds"
_ACCEPT_HELP = "Time to make one add durable."
_BOUNDS = (0.00002, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0)
_LABELS = [*map(str, _BOUNDS), "+Inf"]
_BUCKET_COUNTER = Counter(f"{_ACCEPT_SECONDS}_bucket", _ACCEPT_HELP, ["le"])
_BUCKETS = [_BUCKET_COUNTER.labels(label) for label in _LABELS]
_SUM = Counter(f"{_ACCEPT_SECONDS}_sum", _ACCEPT_HELP)


class _ThreadCounts:
    """The adds that one thread has accepted, by bucket of the histogram, and their seconds."""

    def __init__(self) -> None:
        self.buckets = [0] * len(_BUCKETS)
        self.total_s = 0.0
        self._published = self.buckets.copy(), 0.0

    def publish(self) -> None:
        """Add what was counted since the last call to the library's numbers."""
        published, published_s = self._published
        buckets, total_s = self.buckets.copy(), self.total_s
        self._published = buckets, total_s
        ACCEPTED.inc(sum(buckets) - sum(published))
        _SUM.inc(total_s - published_s)
        for bucket, now, before in zip(_BUCKETS, buckets, published, strict=True):
            if now > before:
                bucket.inc(now - before)


class _ThisThread(threading.local):
    """The counts of the current thread. No other thread writes to them, so there is no lock."""

    def __init__(self) -> None:
        self.counts = _ThreadCounts()
        _all_counts.append(self.counts)


_all_counts: list[_ThreadCounts] = []
_this_thread = _ThisThread()
_publishing = threading.Lock()
_publish_at = 0.0


def count_accepted(begin: float) -> None:
    """Count an add that was made durable. `begin` is the time of `perf_counter` at its start.

    The library's counter and histogram take longer (docs/performance.md): three writes to files
    that all processes map, each under a lock.
    """
    end = perf_counter()
    counts = _this_thread.counts
    counts.buckets[bisect_left(_BOUNDS, end - begin)] += 1
    counts.total_s += end - begin
    if end >= _publish_at:
        publish_accepted()


def publish_accepted() -> None:
    """Bring /metrics up to date with what this process has accepted.

    `serve` calls it once a second, so that the last adds before a pause are not left out.
    """
    global _publish_at  # noqa: PLW0603
    with _publishing:
        _publish_at = perf_counter() + PUBLISH_EVERY_S
        for counts in _all_counts:
            counts.publish()


class CountedCollector(Collector):
    """Everything that is counted by all processes of a `serve`."""

    def collect(self) -> Iterator[Metric]:
        """Yield the library's families, and accept_seconds as one histogram."""
        counted = CollectorRegistry()
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        else:
            counted = REGISTRY
        parts: dict[str, float] = {}
        for metric in counted.collect():
            if metric.name.startswith(f"{_ACCEPT_SECONDS}_"):
                parts |= {
                    sample.labels.get("le", "sum"): sample.value
                    for sample in metric.samples
                    if sample.name.endswith("_total")
                }
            else:
                yield metric
        counts = accumulate(parts.get(label, 0) for label in _LABELS)
        yield HistogramMetricFamily(
            _ACCEPT_SECONDS,
            _ACCEPT_HELP,
            buckets=list(zip(_LABELS, counts, strict=True)),
            sum_value=parts.get("sum", 0),
        )
