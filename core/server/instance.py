"""The one service of a VAR_DIR: claim the directory, find the service, have it reload."""

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_LOCK, _OUTCOME = "serve.lock", "reload.json"
_LOOK_EVERY_S = 0.1


class AlreadyRunningError(Exception):
    """Another service runs in this directory. `pid` is that of its supervisor."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid


class Outcome(NamedTuple):
    """How the last reload of a service ended: `error` is empty if it succeeded."""

    number: int
    error: str


class ReloadError(Exception):
    """A reload failed, or there is nothing to reload. The text says why."""


def claim(directory: Path) -> int:
    """Claim a directory for this process, until it ends. Return the open file, to be kept.

    Raises AlreadyRunningError.
    """
    file = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise AlreadyRunningError(_pid(directory)) from None
    os.ftruncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    (directory / _OUTCOME).unlink(missing_ok=True)
    return file


def record_reload(directory: Path, error: str) -> None:
    """Record how a reload ended, for the process that asked for it."""
    number = _outcome(directory).number + 1
    new = directory / f"{_OUTCOME}.new"
    new.write_text(json.dumps({"number": number, "error": error}))
    new.replace(directory / _OUTCOME)


def reload(directory: Path, *, within_s: float) -> None:
    """Have the service of a directory reload, and return when it has. Raises ReloadError."""
    if not _is_running(directory):
        raise ReloadError(f"No service runs in {directory}. Set VAR_DIR as the service has it.")
    before = _outcome(directory).number
    try:
        os.kill(_pid(directory), signal.SIGHUP)
    except OSError as error:
        raise ReloadError(f"The service can't be asked: {error.strerror}.") from None
    give_up_at = time.monotonic() + within_s
    while (outcome := _outcome(directory)).number == before:
        if not _is_running(directory):
            raise ReloadError("The service ended.")
        if time.monotonic() > give_up_at:
            raise ReloadError(f"The service did not reload within {within_s:.0f} s.")
        time.sleep(_LOOK_EVERY_S)
    if outcome.error:
        raise ReloadError(f"The old processes go on: {outcome.error}.")


def _is_running(directory: Path) -> bool:
    """Return whether a service holds the directory."""
    try:
        file = os.open(directory / _LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _pid(directory: Path) -> int:
    """Return the process id in the lock. 0 while its owner writes it."""
    with suppress(OSError, ValueError):
        return int((directory / _LOCK).read_text())
    return 0


def _outcome(directory: Path) -> Outcome:
    """Return how the last reload ended. Before the first one, the number is 0."""
    with suppress(OSError, ValueError, TypeError):
        return Outcome(**json.loads((directory / _OUTCOME).read_text()))
    return Outcome(0, "")
