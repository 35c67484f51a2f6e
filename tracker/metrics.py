"""What is counted, for Prometheus. One set of numbers for all processes of a `serve`.

With PROMETHEUS_MULTIPROC_DIR set, as `serve` sets it, every process keeps its numbers in files that
whichever of them is asked for /metrics adds up.
"""

import os
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from middleware.problem import Problem, refused
from tracker import intake

_PREFIX = "cart_tracker"

ACCEPTED = Counter(f"{_PREFIX}_accepted", "Adds that were answered 200.")
REFUSED = Counter(f"{_PREFIX}_refused", "Faults of refused requests, by code.", ["code"])
ACCEPT_SECONDS = Histogram(
    f"{_PREFIX}_accept_seconds",
    "Time to make one add durable.",
    buckets=(0.00002, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2),
)
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


def _count_refusal(*, problem: Problem, **kwargs: object) -> None:
    for fault in problem.faults:
        REFUSED.labels(fault.code).inc()


refused.connect(_count_refusal)


class _BacklogCollector(Collector):
    """The backlog, looked at when it is asked for."""

    def collect(self) -> Iterator[Metric]:
        source = intake.current().source()
        if source is None:
            return
        try:
            backlog = source.backlog()
        except intake.Unavailable:
            return  # Its absence is what /readyz tells.
        finally:
            source.close()
        for name, value, text in (
            (
                "records",
                backlog.records,
                "Records that wait for the drain, or may soon be deleted.",
            ),
            ("bytes", backlog.bytes, "Bytes of the journal's segments."),
            ("oldest_seconds", backlog.oldest_age_s, "Age of the oldest that waits."),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_backlog_{name}", text, value)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """GET /metrics, in Prometheus' text format."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(_BacklogCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
