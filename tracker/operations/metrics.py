"""GET /metrics: the counters of all processes (tracker/counters.py), and the backlog."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from tracker.counters import PREFIX, CountedCollector, publish_accepted
from tracker.intake.contract import Unavailable
from tracker.intake.selection import current_intake


class _BacklogCollector(Collector):
    """The backlog at the moment of the request."""

    def collect(self) -> Iterator[Metric]:
        source = current_intake().source()
        if source is None:
            return
        try:
            backlog = source.backlog()
        except Unavailable:
            return  # /readyz reports that.
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
            yield GaugeMetricFamily(f"{PREFIX}_backlog_{name}", text, value)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer GET /metrics in the text format of Prometheus."""
    publish_accepted()
    registry = CollectorRegistry()
    registry.register(CountedCollector())
    registry.register(_BacklogCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
