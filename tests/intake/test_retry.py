"""tracker/retry.py: repeated until it succeeds, is asked to stop, or has no tries left."""

import threading
from collections.abc import Callable

import pytest

from tracker.retry import StoppedError, retry


class BusyError(Exception):
    pass


def fails(times: int) -> Callable[[], str]:
    """Make an action that fails so often before it succeeds."""
    left = [BusyError(str(number)) for number in range(times)]

    def action() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return action


def test_it_recovers_after_each_failure_until_the_action_succeeds() -> None:
    seen: list[Exception] = []
    assert retry(fails(3), errors=(BusyError,), recover=seen.append) == "done"
    assert [str(error) for error in seen] == ["0", "1", "2"]


def test_the_error_of_the_last_try_comes_out() -> None:
    seen: list[Exception] = []
    with pytest.raises(BusyError, match="2"):
        retry(fails(3), errors=(BusyError,), recover=seen.append, tries=3)
    assert len(seen) == 2
    assert retry(fails(2), errors=(BusyError,), recover=seen.append, tries=3) == "done"


def test_other_errors_come_out_at_once() -> None:
    with pytest.raises(BusyError):
        retry(fails(1), errors=(ValueError,), recover=print)


def test_it_stops_when_it_is_asked_to() -> None:
    stop = threading.Event()
    with pytest.raises(StoppedError):
        retry(fails(9), errors=(BusyError,), recover=lambda _: stop.set(), stop=stop)
