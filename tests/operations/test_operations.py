"""What whoever runs the service sees: probes, numbers, logs."""

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from django.test import Client
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from tests.support.live import Server, wait_for
from tracker import counters

CART = "6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10"


def number(page: str, name: str) -> float:
    found = re.search(rf"^cart_tracker_{re.escape(name)} ([\d.e+-]+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_the_numbers_are_those_of_all_processes(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    live = serve("--workers", "2", INTAKE_URL=f"journal://{tmp_path}/journal")
    for price in range(20):
        assert live.add(product_id="sku", price=price, cart_id=CART).status == 200
    live.add(product_id="", price=-1)

    def page() -> str:
        return live.request("GET", "/metrics").body.decode()

    wait_for(lambda: number(page(), "drained_total") == number(page(), "accepted_total") == 20)
    assert number(page(), 'refused_total{code="blank"}') == 1
    assert number(page(), 'refused_total{code="out_of_range"}') == 1
    assert number(page(), 'merged_total{outcome="inserted"}') == 1
    assert "# TYPE cart_tracker_accept_seconds histogram" in page()
    assert number(page(), "accept_seconds_count") == 20
    assert number(page(), 'accept_seconds_bucket{le="+Inf"}') == 20
    assert number(page(), "accept_seconds_bucket_total") == 0  # Only a part of the histogram.
    assert number(page(), "backlog_bytes") > 0
    assert number(page(), "backlog_records") == 20  # Their segments still grow.
    assert "cart_tracker_batch_records_bucket" in page()


def test_what_the_server_refuses_before_any_request_is_counted(
    serve: Callable[..., Server],
) -> None:
    """No view has been looked up by then, and so none of their modules is loaded."""
    live = serve()
    assert live.exchange(b"nonsense\r\n\r\n").status == 400
    page = live.request("GET", "/metrics").body.decode()
    assert number(page, 'refused_total{code="malformed_request"}') == 1


def test_the_numbers_are_exact_however_many_threads_count(client: Client) -> None:
    """Each counts for itself, without a lock; what is shown is the sum."""
    before = counted(client)

    def accept() -> None:
        for _ in range(5000):
            counters.count_accepted(perf_counter() - 0.03)

    threads = [threading.Thread(target=accept) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counters.publish_accepted()
    total, slow, seconds = (now - then for now, then in zip(counted(client), before, strict=True))
    assert (total, slow) == (40_000, 40_000)
    assert seconds == pytest.approx(1200, rel=0.5)


def counted(client: Client) -> tuple[float, float, float]:
    """All adds, those that took from 10 to 50 ms, and the seconds of all."""
    page = client.get("/metrics").content.decode()
    fast, slow = (number(page, f'accept_seconds_bucket{{le="{le}"}}') for le in (0.01, 0.05))
    return number(page, "accepted_total"), slow - fast, number(page, "accept_seconds_sum")


def test_a_worker_that_stops_leaves_its_journal_on_the_disk(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    """With sync=interval, a loss of power after a graceful stop loses nothing either."""
    live = serve(INTAKE_URL=f"journal://{tmp_path}/journal?interval_ms=3600000")
    for price in range(3):
        assert live.add(product_id="sku", price=price, cart_id=CART).status == 200
    assert live.stop() == 0
    assert synced(tmp_path / "metrics") == 3


def synced(directory: Path) -> float:
    """How many records fdatasync has made durable, by what the processes have left behind."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]
    return registry.get_sample_value("cart_tracker_sync_records_sum") or 0


def test_ready_says_how_each_part_is(serve: Callable[..., Server], tmp_path: Path) -> None:
    live = serve(INTAKE_URL=f"journal://{tmp_path}/journal")
    reply = live.request("GET", "/readyz")
    assert (reply.status, reply.json()["parts"]) == (200, {"intake": "ok", "database": "ok"})


def test_without_room_it_is_not_ready_and_says_why(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    live = serve(INTAKE_URL=f"journal://{tmp_path}/journal?min_free_mb=99999999")
    reply = live.request("GET", "/readyz")
    assert (reply.status, reply.json()["ready"]) == (503, False)
    assert "free" in reply.json()["parts"]["intake"]
    assert live.add(product_id="a").status == 503


def test_a_storefront_behind_a_journal_needs_no_database(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    live = serve(
        "--role",
        "storefront",
        INTAKE_URL=f"journal://{tmp_path}/journal",
        DATABASE_URL="postgres://nobody@127.0.0.1:1/nowhere",
    )
    assert live.request("GET", "/readyz").json() == {"ready": True, "parts": {"intake": "ok"}}
    assert live.add(product_id="a").status == 200


def test_a_refused_request_is_one_line_in_the_log(serve: Callable[..., Server]) -> None:
    live = serve()
    reply = live.request(
        "POST",
        "/items",
        {"product_id": "secret-sku", "price": "x", "cart_id": CART},
        {"X-Request-ID": "shop-7"},
    )
    assert reply.headers["X-Request-ID"] == "shop-7"
    line = wait_for(lambda: next((each for each in live.output if "shop-7" in each), None))
    entry = json.loads(line)
    assert (entry["status"], entry["codes"]) == (400, ["not_an_integer"])
    assert entry["cart"] == CART[-8:]
    assert CART not in live.printed()
    assert "secret-sku" not in live.printed()


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "über", "a\nb"])
def test_a_request_id_that_could_disturb_a_log_is_replaced(client: Client, given: str) -> None:
    data: Any = '{"product_id": "a"}'
    reply = client.post("/items", data, "application/json", HTTP_X_REQUEST_ID=given)
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", reply["X-Request-ID"])


def test_a_dead_drain_is_restarted_and_goes_on(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    live = serve(INTAKE_URL=f"journal://{tmp_path}/journal")
    drain = next(
        pid for pid in live.children() if b"drain" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    import os
    import signal

    os.kill(drain, signal.SIGKILL)
    assert live.add(product_id="a").status == 200
    wait_for(lambda: "drain-1 (pid" in live.printed())
    wait_for(lambda: number(live.request("GET", "/metrics").body.decode(), "drained_total") >= 1)
