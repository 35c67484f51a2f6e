"""The state of the intake for the dashboard: what waits in it, and what was refused."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.conf import settings
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY

from tracker.intake.contract import Backlog, Intake, Unavailable
from tracker.intake.selection import intake_from_url
from tracker.rows.errors import first_line

_REFUSED = "cart_tracker_refused_total"

# A server that hangs occupies these threads, never more.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="backlog")


@cache
def served(url: str) -> Intake:
    """Return the intake that `serve` uses. It is kept, so that a journal is measured only once."""
    return intake_from_url(url)


def backlog(url: str, *, within_s: float | None = None) -> Backlog | None:
    """Return what waits for the drain, or None if adds are rows at once.

    Raises Unavailable if the intake does not answer within `within_s` (STORE_TIMEOUT_S): behind its
    URL may be many servers, each with its own limit.
    """
    answer = _threads.submit(_inspect, url)
    try:
        return answer.result(settings.STORE_TIMEOUT_S if within_s is None else within_s)
    except OSError as error:  # Also TimeoutError, which has no text.
        answer.cancel()
        raise Unavailable(first_line(error) or "it does not answer") from error


def _inspect(url: str) -> Backlog | None:
    source = served(url).source()
    if source is None:
        return None
    try:
        return source.backlog()
    finally:
        source.close()


def refusals() -> dict[str, int] | None:
    """Return the faults by code since the start of the service, the most frequent first.

    They are those of /metrics, of all processes of this `serve`. None if they can't be read.
    """
    registry = CollectorRegistry()
    try:
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry = REGISTRY
        found = {
            sample.labels["code"]: int(sample.value)
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name == _REFUSED
        }
    except (OSError, ValueError):  # The directory or a file in it does not exist any more.
        return None
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
