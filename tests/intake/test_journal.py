"""journal:// : what it writes, how it withstands deaths, full disks and corruption."""

import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.support.live import ROOT, wait_for
from tests.support.streams import is_refused
from tracker.adds import Add
from tracker.intake.contract import Backlog, Batch, Unavailable
from tracker.intake.journal.backlog import JournalBacklog
from tracker.intake.journal.intake import JournalIntake
from tracker.intake.journal.segments import claim, segments
from tracker.intake.journal.versions import SLOTS, SlotsTakenError, VersionClock, is_taken
from tracker.intake.record import CorruptRecordError, dump, load
from tracker.intake.selection import intake_from_url

CART = UUID("6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10")


def add(product_id: str = "sku", **members: object) -> Add:
    return Add(CART, product_id, **members)  # type: ignore[arg-type]


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[Callable[..., JournalIntake]]:
    opened: list[JournalIntake] = []

    def make(query: str = "sync=always") -> JournalIntake:
        opened.append(JournalIntake(urlsplit(f"journal://{tmp_path}?{query}")))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


def read_all(journal: JournalIntake, *, acknowledge: bool = True) -> list[str]:
    """The product ids of all that waits, in the order in which they are read."""
    source = journal.source()
    found: list[str] = []
    try:
        while batch := source.read(100):
            found += [record.add.product_id for record in batch.records]
            if not acknowledge:
                break
            source.acknowledge(batch)
    finally:
        source.close()
    return found


@pytest.mark.parametrize(
    "members", [{}, {"name": None, "price": None}, {"name": 'Sôcks\n✓"', "price": 0}]
)
def test_a_record_comes_back_as_it_was(members: dict[str, object]) -> None:
    """R21: what was not sent stays apart from what was sent as null."""
    line = dump(add("a\tb", **members), 7)
    assert line.count(b"\n") == 1
    assert load(line) == (add("a\tb", **members), 7)


def test_every_single_damaged_byte_is_noticed() -> None:
    line = dump(add(), 7)
    for place in range(len(line) - 1):
        damaged = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
        with pytest.raises(CorruptRecordError):
            load(damaged)


@pytest.mark.parametrize("query", ["sync=always", "sync=interval"])
def test_what_is_accepted_can_be_read_once(
    query: str, open_journal: Callable[..., JournalIntake]
) -> None:
    journal = open_journal(query)
    for number in range(5):
        journal.accept(add(f"sku-{number}"))
    assert read_all(journal) == [f"sku-{number}" for number in range(5)]
    assert read_all(open_journal()) == read_all(open_journal())


def test_what_is_not_acknowledged_is_read_again(
    open_journal: Callable[..., JournalIntake],
) -> None:
    journal = open_journal()
    journal.accept(add())
    assert read_all(journal, acknowledge=False) == read_all(journal, acknowledge=False) == ["sku"]


def test_a_drained_segment_is_deleted_once_its_writer_has_left_it(
    open_journal: Callable[..., JournalIntake], tmp_path: Path
) -> None:
    journal = open_journal()
    journal.accept(add())
    assert read_all(journal) == ["sku"]
    assert segments(tmp_path)
    journal.close()
    read_all(open_journal())
    assert not segments(tmp_path)


def test_segments_rotate_by_size(
    open_journal: Callable[..., JournalIntake], tmp_path: Path
) -> None:
    journal = open_journal("sync=interval&segment_mb=1")
    for number in range(1200):
        journal.accept(add(f"sku-{number}", name="x" * 950))
    assert len(segments(tmp_path)) == 2
    assert read_all(journal) == [f"sku-{number}" for number in range(1200)]
    assert len(segments(tmp_path)) == 1


def test_a_torn_tail_is_passed_over(
    open_journal: Callable[..., JournalIntake], tmp_path: Path
) -> None:
    """The writer died in the middle of a record: nobody was told that it is stored."""
    journal = open_journal()
    journal.accept(add("whole"))
    journal.close()
    path = segments(tmp_path)[0].path
    path.write_bytes(path.read_bytes() + dump(add("torn"), 7)[:20])
    assert read_all(open_journal()) == ["whole"]
    assert not segments(tmp_path)


def test_a_corrupt_record_is_set_aside_and_the_rest_goes_on(
    open_journal: Callable[..., JournalIntake], tmp_path: Path
) -> None:
    journal = open_journal()
    for name in ("first", "second", "third"):
        journal.accept(add(name))
    journal.close()
    path = segments(tmp_path)[0].path
    path.write_bytes(path.read_bytes().replace(b"second", b"sECOND"))
    assert read_all(open_journal()) == ["first", "third"]
    assert [each.suffix for each in tmp_path.iterdir() if each.suffix] == [".corrupt"]


def test_a_short_write_is_refused_and_taken_off_again(
    open_journal: Callable[..., JournalIntake],
) -> None:
    """R32: a disk that fills up in the middle of a record."""
    journal = open_journal()
    journal.accept(add("before"))
    real = os.write
    with (
        mock.patch.object(os, "write", lambda file, data: real(file, data[:9])),
        pytest.raises(Unavailable),
    ):
        journal.accept(add("short"))
    journal.accept(add("after"))
    assert read_all(journal) == ["before", "after"]


def test_a_file_limit_is_refused_and_survived(
    open_journal: Callable[..., JournalIntake],
) -> None:
    """R32, with the kernel's own short write."""
    journal = open_journal("sync=interval&segment_mb=1")
    journal.accept(add("before"))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, old[1]))
    try:
        with pytest.raises(Unavailable):
            journal.accept(add("too much", name="x" * 300))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    journal.accept(add("after"))
    assert read_all(journal) == ["before", "after"]


def test_a_failed_sync_is_refused_and_begins_a_new_segment(
    open_journal: Callable[..., JournalIntake], tmp_path: Path
) -> None:
    """R32: after a failed fdatasync the kernel may call lost pages clean."""
    journal = open_journal()
    journal.accept(add("before"))
    with (
        mock.patch.object(os, "fdatasync", side_effect=OSError("I/O error")),
        pytest.raises(Unavailable),
    ):
        journal.accept(add("unsure"))
    journal.accept(add("after"))
    assert len(segments(tmp_path)) == 2
    assert read_all(journal)[-1] == "after"


def test_all_who_wait_for_a_sync_that_fails_are_refused(
    open_journal: Callable[..., JournalIntake],
) -> None:
    """R32: the next sync succeeds, but says nothing of the pages that the kernel has dropped."""
    journal = open_journal()
    journal.accept(add())
    first_began, go_on, refused = threading.Event(), threading.Event(), list[str]()

    def fail_once(file: int) -> None:
        if not first_began.is_set():
            first_began.set()
            go_on.wait(5)
            raise OSError("I/O error")

    def accept(name: str) -> None:
        try:
            journal.accept(add(name))
        except Unavailable:
            refused.append(name)

    with mock.patch.object(os, "fdatasync", fail_once):
        threads = [threading.Thread(target=accept, args=[name]) for name in ("first", "second")]
        threads[0].start()
        first_began.wait(5)
        threads[1].start()
        while journal._writer and journal._writer._appended < 3:
            pass
        go_on.set()
        for thread in threads:
            thread.join()
    assert sorted(refused) == ["first", "second"]


def test_threads_that_wait_for_the_disk_share_one_sync(
    open_journal: Callable[..., JournalIntake],
) -> None:
    journal = open_journal()
    journal.accept(add())
    syncs: list[int] = []
    first_began, go_on = threading.Event(), threading.Event()
    real = os.fdatasync

    def slow(file: int) -> None:
        syncs.append(file)
        first_began.set()
        go_on.wait(5)
        real(file)

    with mock.patch.object(os, "fdatasync", slow):
        threads = [threading.Thread(target=journal.accept, args=[add(str(n))]) for n in range(9)]
        threads[0].start()
        first_began.wait(5)
        for thread in threads[1:]:
            thread.start()
        while journal._writer and journal._writer._appended < 10:
            pass
        go_on.set()
        for thread in threads:
            thread.join()
    assert len(syncs) == 2
    assert len(read_all(journal)) == 10


@pytest.mark.parametrize(
    ("query", "name_bytes", "says"),
    [("max_records=110", 1, "has reached 110 records"), ("max_mb=1", 10_000, "is over 1 MB")],
)
def test_a_backlog_at_its_limit_is_refused_until_it_is_drained(
    query: str,
    name_bytes: int,
    says: str,
    open_journal: Callable[..., JournalIntake],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """R32; also what stands in the segment that is being written to counts, and is let go."""
    journal = open_journal(query)
    for number in range(110):
        journal.accept(add(str(number), name="x" * name_bytes))
    wait_for(lambda: is_refused(journal))
    assert says in caplog.text
    assert len(read_all(journal)) >= 110
    wait_for(lambda: not is_refused(journal))


def test_a_backlog_that_is_too_old_is_refused_until_it_is_drained(
    open_journal: Callable[..., JournalIntake], caplog: pytest.LogCaptureFixture
) -> None:
    """R32: old is what its writer has left behind."""
    dead, journal = open_journal(), open_journal("max_age_s=1")
    dead.accept(add("old"))
    dead.close()
    journal.accept(add("new"))
    wait_for(lambda: is_refused(journal))
    assert "is older than 1 s" in caplog.text
    assert "old" in read_all(journal)
    wait_for(lambda: not is_refused(journal))


def test_the_backlog_counts_each_byte_once_and_estimates_the_rest(
    open_journal: Callable[..., JournalIntake], tmp_path: Path
) -> None:
    """However large it is, a look reads no more than COUNT_BYTES."""
    journal, backlog = open_journal("sync=interval"), JournalBacklog(tmp_path)
    assert backlog.measure() == Backlog(bytes=0, oldest_age_s=0, records=0)
    with mock.patch("tracker.intake.journal.backlog.COUNT_BYTES", 1000):
        for number in range(100):
            journal.accept(add(f"sku-{number:03d}"))
        held = journal_bytes(tmp_path)
        assert held > 5000
        assert backlog.measure().bytes == held
        assert 95 <= backlog.measure().records <= 105
        measured = [backlog.measure().records for _ in range(held // 1000)]
        assert measured[-1] == 100
        with mock.patch.object(os, "pread", side_effect=AssertionError("read twice")):
            assert backlog.measure().records == 100
    read_all(journal)
    journal.close()
    read_all(journal)
    assert backlog.measure().records == 0


def journal_bytes(directory: Path) -> int:
    return sum(each.path.stat().st_size for each in segments(directory))


def test_a_disk_that_is_nearly_full_is_refused(
    open_journal: Callable[..., JournalIntake],
) -> None:
    """R32"""
    with pytest.raises(Unavailable):
        open_journal("min_free_mb=999999999").accept(add())


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("journal://relative/path", "absolute"),
        ("journal:///", "absolute"),
        ("journal:///x?sync=never", "interval or always"),
        ("journal:///x?max_mb=0", "whole number"),
        (f"journal:///x?max_mb={'9' * 19}", "whole number above 0 of at most 18 digits"),
        ("journal:///x?colour=red", "no option 'colour'. There are: sync, interval_ms, "),
    ],
)
def test_a_bad_url_says_what_to_do(url: str, says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        intake_from_url(url)


def test_writers_never_share_a_slot_and_versions_rise(tmp_path: Path) -> None:
    """R22"""
    clocks = [VersionClock(tmp_path) for _ in range(3)]
    assert [clock.slot for clock in clocks] == [0, 1, 2]
    assert [slot for slot in range(SLOTS) if is_taken(tmp_path, slot)] == [0, 1, 2]
    versions = [clocks[number % 3].next() for number in range(300)]
    assert versions == sorted(set(versions))
    for clock in clocks:
        clock.close()
    with (tmp_path / "slot-00").open() as file:  # As another that looks at the same moment.
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not any(is_taken(tmp_path, slot) for slot in range(SLOTS))


def test_versions_rise_when_the_clock_is_set_back(tmp_path: Path) -> None:
    """R22: also for a writer that starts afterwards, in another slot."""
    before = VersionClock(tmp_path)
    version = before.next()
    with mock.patch("time.time_ns", return_value=version - 3600 * 10**9):
        after = VersionClock(tmp_path)
        assert version < after.next() < before.next() < after.next()
    before.close()
    after.close()


def test_there_are_as_many_writers_as_slots(tmp_path: Path) -> None:
    clocks = [VersionClock(tmp_path) for _ in range(SLOTS)]
    with pytest.raises(SlotsTakenError):
        VersionClock(tmp_path)
    for clock in clocks:
        clock.close()


def test_a_forked_child_writes_to_a_segment_of_its_own(
    open_journal: Callable[..., JournalIntake], tmp_path: Path
) -> None:
    """As under gunicorn with a preloaded application."""
    code = (
        "import os, django; django.setup()\n"
        "from uuid import UUID; from tracker.adds import Add\n"
        "from tracker.intake.selection import current_intake\n"
        "journal = current_intake(); journal.accept(Add(UUID(int=1), 'parent'))\n"
        "child = os.fork()\n"
        "journal.accept(Add(UUID(int=1), 'after'))\n"
        "os.waitpid(child, 0) if child else os._exit(0)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "core.settings",
            "INTAKE_URL": f"journal://{tmp_path}",
        },
        check=True,
    )
    assert len(segments(tmp_path)) == 2
    assert sorted(read_all(open_journal())) == ["after", "after", "parent"]


def test_two_drains_never_read_one_segment_at_once(
    open_journal: Callable[..., JournalIntake],
) -> None:
    journal = open_journal()
    journal.accept(add())
    first, second = journal.source(), journal.source()
    assert isinstance(first.read(10), Batch)
    assert second.read(10) is None
    first.close()
    assert isinstance(second.read(10), Batch)
    second.close()


def test_a_segment_that_another_drain_deletes_meanwhile_is_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.touch()
    with mock.patch.object(fcntl, "flock", side_effect=lambda *_: path.unlink()):
        assert claim(path) is None


def test_a_large_backlog_is_read_in_order_and_in_parts(
    open_journal: Callable[..., JournalIntake],
) -> None:
    journal = open_journal("sync=interval")
    names = [str(uuid4()) for _ in range(2500)]
    for name in names:
        journal.accept(add(name))
    assert read_all(journal) == names
