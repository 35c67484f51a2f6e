"""How a command says how far it is, and how a signal asks it to stop."""

import io
import signal

import pytest
from django.core.management.base import OutputWrapper

from tests.terminal import Terminal
from tracker.progress import Progress, duration, stoppable

pytestmark = pytest.mark.once


def said(out: io.StringIO, *moments: tuple[float, int]) -> str:
    """What is written of 1,000 carts, at times in seconds with so many done."""
    times = iter([0.0, *(time for time, _ in moments)])
    progress = Progress(OutputWrapper(out), 1000, "carts", clock=lambda: next(times))
    for _, done in moments:
        progress.at(done)
    progress.end()
    return out.getvalue()


def test_a_terminal_shows_one_line_that_is_written_over() -> None:
    text = said(Terminal(), (1, 100), (2, 400))
    assert "\n" not in text
    lines = [line.rstrip() for line in text.split("\r")]
    assert lines[1] == "400 of 1,000 carts, 200 a second, 3 s left"
    assert len({len(line) for line in text.split("\r") if line}) == 1


def test_a_log_gets_a_line_every_few_seconds() -> None:
    text = said(io.StringIO(), (1, 100), (6, 200), (7, 300), (12, 400))
    assert [line.partition(" ")[0] for line in text.splitlines()] == ["200", "400"]
    assert "\r" not in text


def test_nothing_done_has_no_rate() -> None:
    assert said(Terminal(), (0, 0)).startswith("0 of 1,000 carts ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_the_second_one_stops(signum: signal.Signals) -> None:
    before = signal.getsignal(signum)
    with stoppable() as stopped:
        assert not stopped()
        signal.raise_signal(signum)
        assert stopped() == signum
        assert signal.getsignal(signum) == before
    assert signal.getsignal(signum) == before
