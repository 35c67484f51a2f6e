"""Recent refusals, for people: counts by code and origin, and a sample of the newest ones.

/metrics counts the same faults for programs. Each process writes its log to a file, at most once a
second; a reader adds up the files of all processes. An accepted add does not come through here,
and all sizes are limited, so that a flood of refusals costs little.
"""

import contextlib
import logging
import os
import secrets
import stat
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from tracker.endpoint.problem import Problem, refused, request_refused
from tracker.operations.refusal_record import (
    NO_ORIGIN,
    NOT_READ,
    OTHERS,
    Refusal,
    Seconds,
    of_problem,
    of_request,
)

log = logging.getLogger(__name__)

DIRECTORY = "refusals"
WRITE_EVERY_S = 1.0
SAMPLE_SIZE = 200
# Limit for origins outside STOREFRONT_ORIGINS. Listed origins are always counted by name.
MAX_ORIGINS = 100
# Files of processes; the oldest are deleted. `serve` deletes all of them at its start.
MAX_FILES = 512
# More than the limits above allow. A foreign file is not read to its end.
MAX_FILE_BYTES = 4 * 1024 * 1024
ANY_CODE = ""


class Count(msgspec.Struct):
    """The refused requests with one code (or any code) and one origin, and the time of the last."""

    code: str
    origin: str
    requests: Annotated[int, msgspec.Meta(ge=0)] = 0
    last: Seconds = 0.0


class Summary(msgspec.Struct):
    """Counts for each pair of code and origin, and for each origin with ANY_CODE; and a sample.

    A request counts once for each of its codes. The newest refusal of the sample is the last.
    """

    counts: list[Count]
    sample: list[Refusal]


_decode = msgspec.json.Decoder(Summary).decode


class RefusalLog:
    """The refusals of one process. Any thread may add to it."""

    def __init__(self) -> None:
        self._sample: deque[Refusal] = deque(maxlen=SAMPLE_SIZE)
        self._counts: dict[tuple[str, str], Count] = {}
        self._strangers: set[str] = set()
        self._is_written = True
        self._write_at = 0.0
        self._failure = ""
        self._token = secrets.token_hex(4)  # Process ids come again.
        self._lock, self._writing = threading.Lock(), threading.Lock()

    @property
    def path(self) -> Path:
        """The file of this process. A property, because a process may have been forked."""
        return directory() / f"{os.getpid()}-{self._token}.json"

    def add(self, refusal: Refusal) -> None:
        with self._lock:
            self._sample.append(refusal)
            origin = self._name(refusal.origin)
            for code in (ANY_CODE, *refusal.codes):
                count = self._counts.get((code, origin))
                if count is None:
                    count = self._counts[code, origin] = Count(code, origin)
                count.requests += 1
                count.last = refusal.at
            self._is_written = False
        self.write()

    def summary(self) -> Summary:
        """Return a copy of the current state."""
        with self._lock:
            counts = [msgspec.structs.replace(each) for each in self._counts.values()]
            return Summary(counts, list(self._sample))

    def write(self, *, at_once: bool = False) -> None:
        """Write the log to its file if it has changed, at most once a second unless `at_once`.

        If the disk refuses, log one warning: nothing depends on this file.
        """
        if not (at_once or self._is_due()):
            return
        with self._writing:
            try:
                if self._counts and not (self._is_written and self.path.exists()):
                    self._write()
                    self._failure = ""
            except OSError as error:
                self._is_written = False
                self._warn(str(error))

    def _is_due(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._write_at:
                return False
            self._write_at = now + WRITE_EVERY_S
            return True

    def _write(self) -> None:
        """Write a temporary file and rename it, so that nobody reads a part. Raises OSError."""
        self._is_written = True  # Set before the copy is made: what comes now is written next time.
        content = msgspec.json.encode(self.summary())
        path = self.path
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _delete_oldest(path.parent)
        aside = path.with_suffix(".new")
        opened = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(content)
        aside.replace(path)

    def _warn(self, failure: str) -> None:
        if failure != self._failure:
            self._failure = failure
            log.warning("the refusals can't be written down: %s", failure)

    def _name(self, origin: str) -> str:
        """Return the name that an origin is counted under: its own, while names are left."""
        if origin in self._strangers or origin in (NO_ORIGIN, NOT_READ, OTHERS):
            return origin
        if origin in settings.STOREFRONT_ORIGINS:
            return origin
        if len(self._strangers) >= MAX_ORIGINS:
            return OTHERS
        self._strangers.add(origin)
        return origin


class _OfThread(threading.local):
    """A problem that became an answer. The same thread learns its request next, or never."""

    refusal: Refusal | None = None


_log = RefusalLog()
_pending = _OfThread()


def publish(*, at_once: bool = False) -> None:
    """Let other processes see what this one has refused, at most once a second unless `at_once`.

    `serve` calls it once a second on the thread of its event loop, so that the last refusals before
    a pause are not left out. Never raises.
    """
    _count_pending()
    _log.write(at_once=at_once)


def collect() -> Summary:
    """Return what all processes of this machine have refused, this one's up to now.

    Files of another form, and files that can't be read, are ignored.
    """
    _count_pending()
    counts: dict[tuple[str, str], Count] = {}
    sample: list[Refusal] = []
    for each in (_log.summary(), *_others(_log.path)):
        sample += each.sample
        _add_up(counts, each.counts)
    return Summary(list(counts.values()), sorted(sample, key=lambda refusal: refusal.at))


def directory() -> Path:
    return Path(settings.VAR_DIR) / DIRECTORY


def _add_up(counts: dict[tuple[str, str], Count], more: Iterable[Count]) -> None:
    for each in more:
        total = counts.setdefault((each.code, each.origin), Count(each.code, each.origin))
        total.requests += each.requests
        total.last = max(total.last, each.last)


def _others(own: Path) -> Iterator[Summary]:
    """Yield what the other processes have written."""
    for path in _files(directory(), ".json")[:MAX_FILES]:
        if path == own:
            continue
        try:
            with path.open("rb") as file:
                yield _decode(file.read(MAX_FILE_BYTES))
        except (OSError, ValueError, RecursionError):
            continue  # Deleted meanwhile, or not ours.


def _files(path: Path, *suffixes: str) -> list[Path]:
    """Return the regular files with these endings, the newest first."""
    found: list[tuple[float, Path]] = []
    with contextlib.suppress(OSError):  # Nothing was refused yet, or it is being emptied.
        for each in path.iterdir():
            with contextlib.suppress(OSError):  # Gone meanwhile.
                about = each.lstat()
                if each.suffix in suffixes and stat.S_ISREG(about.st_mode):
                    found.append((about.st_mtime, each))
    return [path for _, path in sorted(found, reverse=True)]


def _delete_oldest(path: Path) -> None:
    """Keep the number of files limited: only `serve` deletes the files of its old processes."""
    for each in _files(path, ".json", ".new")[MAX_FILES - 1 :]:
        each.unlink(missing_ok=True)


def _on_problem(*, problem: Problem, **kwargs: object) -> None:
    _count_pending()
    _pending.refusal = of_problem(problem)


def _on_request(
    *, request: HttpRequest, response: HttpResponse, request_id: str, **kwargs: object
) -> None:
    problem: Problem | None = getattr(response, "problem", None)
    _pending.refusal = None
    if problem is not None:
        _log.add(of_request(request, problem, request_id))


def _count_pending() -> None:
    """Count what this thread has pending: the server refused it without a request."""
    refusal, _pending.refusal = _pending.refusal, None
    if refusal is not None:
        _log.add(refusal)


refused.connect(_on_problem)
request_refused.connect(_on_request)
