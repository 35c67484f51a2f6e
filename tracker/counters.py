"""What is counted, for Prometheus."""

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

_PREFIX = "cart_tracker"
SHOW_EVERY_S = 1.0

ACCEPTED = Counter(f"{_PREFIX}_accepted", "Adds that were answered 200.")
REFUSED = Counter(f"{_PREFIX}_refused", "Faults of refused requests, by code.", ["code"])
DRAINED = Counter(f"{_PREFIX}_drained", "Records that the drain has moved into rows.")
MERGED = Counter(f"{_PREFIX}_merged", "Items of merged batches, by outcome.", ["outcome"])
DEAD_LETTERED = Counter(f"{_PREFIX}_dead_lettered", "Records that the database refused.")
CORRUPT = Counter(f"{_PREFIX}_corrupt", "Records of the journal that can't be read.")
SYNC_RECORDS = Histogram(
    f"{_PREFIX}_sync_records",
    "Records of the journal that one fdatasync made durable.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 1024),
)
GROUPS_LOST = Counter(f"{_PREFIX}_groups_lost", "Consumer groups that had to be made anew.")
MALFORMED = Counter(f"{_PREFIX}_malformed", "Entries of a stream that are no records.")
DELETED = Counter(f"{_PREFIX}_deleted", "Entries that somebody deleted before they became rows.")
BATCH_RECORDS = Histogram(
    f"{_PREFIX}_batch_records", "Records per batch.", buckets=(1, 3, 10, 30, 100, 300, 1000)
)
BATCH_SECONDS = Histogram(
    f"{_PREFIX}_batch_seconds",
    "Time to merge one batch.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3),
)

# The histogram accept_seconds. The library's own observes one value at a time, which is too slow
# for each add. So its parts are two counters, and CountedCollector puts them together.
_ACCEPT_SECONDS = f"{_PREFIX}_accept_seconds"
_ACCEPT_HELP = "Time to make one add durable."
_BOUNDS = (0.00002, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0)
_LABELS = [*map(str, _BOUNDS), "+Inf"]
_BUCKET_COUNTER = Counter(f"{_ACCEPT_SECONDS}_bucket", _ACCEPT_HELP, ["le"])
_BUCKETS = [_BUCKET_COUNTER.labels(label) for label in _LABELS]
_SUM = Counter(f"{_ACCEPT_SECONDS}_sum", _ACCEPT_HELP)


class _ThreadCounts:
    """What one thread has accepted: how many in each bucket of the histogram, and their seconds."""

    def __init__(self) -> None:
        self.buckets = [0] * len(_BUCKETS)
        self.total_s = 0.0
        self._shown = self.buckets.copy(), 0.0

    def show(self) -> None:
        """Put what has been added since the last time into the library's numbers."""
        shown, shown_s = self._shown
        buckets, total_s = self.buckets.copy(), self.total_s
        self._shown = buckets, total_s
        ACCEPTED.inc(sum(buckets) - sum(shown))
        _SUM.inc(total_s - shown_s)
        for bucket, now, before in zip(_BUCKETS, buckets, shown, strict=True):
            if now > before:
                bucket.inc(now - before)


class _OfThread(threading.local):
    """A thread writes to its own tally alone, so that no request needs a lock."""

    def __init__(self) -> None:
        self.tally = _ThreadCounts()
        _tallies.append(self.tally)


_tallies: list[_ThreadCounts] = []
_mine = _OfThread()
_showing = threading.Lock()
_show_at = 0.0


def accepted(begin: float) -> None:
    """Count an add that was made durable, which began at that time of `perf_counter`.

    A counter and a histogram of the library take longer (docs/performance.md): three writes to
    files that all processes map, each under a lock.
    """
    end = perf_counter()
    tally = _mine.tally
    tally.buckets[bisect_left(_BOUNDS, end - begin)] += 1
    tally.total_s += end - begin
    if end >= _show_at:
        show_accepted()


def show_accepted() -> None:
    """Bring /metrics up to date with what this process has accepted.

    `serve` does it once a second: the last adds before a pause must not be left out.
    """
    global _show_at  # noqa: PLW0603
    with _showing:
        _show_at = perf_counter() + SHOW_EVERY_S
        for tally in _tallies:
            tally.show()


class CountedCollector(Collector):
    """Yields everything that is counted, by all processes of a `serve`."""

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
