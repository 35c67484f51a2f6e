"""What the processes write of their refusals for each other, and how much at most."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tests.core.test_gunicorn import Gunicorn
from tests.support.live import Server, wait_for
from tests.support.refusals import SHOP, STRANGER, counted, files, refusal
from tests.support.wire import head
from tracker.operations import refusals
from tracker.operations.refusal_record import NO_ORIGIN, NOT_READ, OTHERS
from tracker.operations.refusals import (
    ANY_CODE,
    MAX_ORIGINS,
    SAMPLE_SIZE,
    RefusalLog,
    collect,
    publish,
)

pytest_plugins = ["tests.support.refusals"]
pytestmark = pytest.mark.usefixtures("var_dir")

Add = Callable[..., HttpResponse]


def test_the_sample_keeps_the_newest() -> None:
    for number in range(SAMPLE_SIZE + 10):
        refusals._log.add(refusal(value=str(number)))
    kept = [each.faults[0].value for each in collect().sample]
    assert kept == [str(number) for number in range(10, SAMPLE_SIZE + 10)]
    assert counted()[ANY_CODE, SHOP] == SAMPLE_SIZE + 10


def test_a_flood_of_origins_stays_small_and_hides_no_shop(add: Add, var_dir: Path) -> None:
    for number in range(5000):
        add(product_id="a", HTTP_ORIGIN=f"https://{number}.{'x' * 200}.example")
    add(product_id="", HTTP_ORIGIN=SHOP)
    publish(at_once=True)
    counts = counted()
    assert len(counts) == 2 * (MAX_ORIGINS + 2)
    assert counts[ANY_CODE, OTHERS] == 5000 - MAX_ORIGINS
    assert counts["blank", SHOP] == 1
    (file,) = files(var_dir)
    assert file.stat().st_size < 200_000


def test_it_is_written_once_and_then_not_before_a_second_has_passed(var_dir: Path) -> None:
    for _ in range(3):
        refusals._log.add(refusal())
    publish()
    (file,) = files(var_dir)
    assert json.loads(file.read_text())["counts"][0]["requests"] == 1
    publish(at_once=True)
    assert json.loads(file.read_text())["counts"][0]["requests"] == 3


def test_it_is_written_for_its_owner_alone_and_only_if_it_has_changed(var_dir: Path) -> None:
    publish(at_once=True)
    assert files(var_dir) == []
    refusals._log.add(refusal())
    (file,) = files(var_dir)
    before = file.stat()
    assert stat.S_IMODE(before.st_mode) == 0o600
    assert file.name.startswith(f"{os.getpid()}-")
    publish(at_once=True)
    assert file.stat() == before


def test_another_start_of_the_service_does_not_lose_what_runs(var_dir: Path) -> None:
    refusals._log.add(refusal())
    (file,) = files(var_dir)
    file.unlink()
    file.parent.rmdir()
    publish(at_once=True)
    assert files(var_dir) == [file]


def test_files_of_old_processes_do_not_gather(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MAX_FILES", 3)
    for _ in range(5):
        record = RefusalLog()
        record.add(refusal())
        os.utime(record.path, (1, 1))
    assert len(files(var_dir)) == 3
    assert record.path in files(var_dir)


def test_a_disk_that_takes_nothing_changes_no_answer(
    add: Add, var_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (var_dir / "refusals").write_text("in the way")
    for _ in range(3):
        assert add(product_id="").status_code == 400
        publish(at_once=True)
    assert counted()["blank", NO_ORIGIN] == 3
    assert len([each for each in caplog.records if "written down" in each.message]) == 1


# -- Several processes -----------------------------------------------------------------------------


def test_the_files_of_all_processes_are_added_up(var_dir: Path) -> None:
    other = RefusalLog()
    other.add(refusal(code="too_long"))
    refusals._log.add(refusal())
    publish(at_once=True)
    assert len(files(var_dir)) == 2
    assert counted() == {(ANY_CODE, SHOP): 2, ("blank", SHOP): 1, ("too_long", SHOP): 1}
    assert len(collect().sample) == 2


def test_files_of_others_do_not_disturb(admin_client: Client, var_dir: Path) -> None:
    other = RefusalLog()
    other.add(refusal(origin=STRANGER))
    directory, sound = var_dir / "refusals", other.path.read_bytes()
    huge = b'{"counts":[],"sample":[],"x":"' + b"x" * refusals.MAX_FILE_BYTES + b'"}'
    broken = [b"", sound[:-9], b"[]", b"null", b"\xff\xfe", b"[" * 9000, huge]
    broken.append(b'{"counts":[{"code":"a","origin":"b","requests":-1}],"sample":[]}')
    broken.append(b'{"counts":[{"code":"a","origin":"b","last":1e308}],"sample":[]}')
    broken.append(sound.replace(b"1700000000", b"NaN"))
    for number, content in enumerate(broken):
        (directory / f"1-{number}.json").write_bytes(content)
    (directory / "notes.txt").write_bytes(sound)
    (directory / "2.json").mkdir()
    (directory / "3.json").symlink_to(other.path)
    (directory / "4.json").symlink_to(directory / "nowhere")
    os.mkfifo(directory / "5.json")
    assert counted() == {(ANY_CODE, STRANGER): 1, ("blank", STRANGER): 1}
    assert STRANGER in admin_client.get(reverse("admin:refusals")).content.decode()


@pytest.mark.slow
def test_the_real_server_shows_what_each_of_its_workers_has_refused(
    serve: Callable[..., Server], var_dir: Path, admin_client: Client
) -> None:
    (var_dir / "refusals").mkdir()
    (var_dir / "refusals" / "1-a.json").write_text("of a service that is gone")
    live = serve("--workers", "2")
    assert files(var_dir) == []
    sent = 0
    while len(files(var_dir)) < 2:
        assert live.add(product_id="", price=-1).status == 400
        sent += 1
    assert live.exchange(b"NONSENSE\r\n\r\n").status == 400
    assert live.exchange(head("GET /", f"Cookie: {'x' * 40_000}")).status == 431
    announced = (
        b"POST /items HTTP/1.1\r\nHost: localhost\r\nOrigin: %b\r\nContent-Length: 20000\r\n"
    )
    assert live.exchange(announced % SHOP.encode() + b"\r\n").status == 413
    expected = {
        (ANY_CODE, NO_ORIGIN): sent,
        ("blank", NO_ORIGIN): sent,
        ("out_of_range", NO_ORIGIN): sent,
        (ANY_CODE, NOT_READ): 2,
        ("malformed_request", NOT_READ): 1,
        ("head_too_large", NOT_READ): 1,
        (ANY_CODE, SHOP): 1,
        ("body_too_large", SHOP): 1,
    }
    wait_for(lambda: counted() == expected)
    shown = admin_client.get(reverse("admin:refusals")).content.decode()
    assert all(code in shown for code, _ in expected)


def test_it_works_behind_another_server_too(
    new_database: Callable[[], str], var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAR_DIR", str(var_dir))
    monkeypatch.setenv("ROLE", "storefront")
    server = Gunicorn(new_database())
    try:
        assert server.add(product_id="").status == 400
        assert counted()["blank", NO_ORIGIN] == 1
    finally:
        server.process.terminate()
        server.process.wait(15)


def test_a_worker_that_stops_writes_down_what_it_has_refused_last(
    serve: Callable[..., Server], var_dir: Path
) -> None:
    live = serve()
    for _ in range(20):
        live.add(product_id="")
    live.exchange(b"NONSENSE\r\n\r\n")
    assert live.stop() == 0
    assert counted()["blank", NO_ORIGIN] == 20
    assert counted()["malformed_request", NOT_READ] == 1
