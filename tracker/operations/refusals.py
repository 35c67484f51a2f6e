"""What was refused lately, for people: counts by code and origin, and a sample of the newest.

/metrics counts the same faults for machines. Here, every process keeps its own and writes it, whole
and once a second at most, to a file of its own; whoever asks adds up the files. Nothing of this is
on the way of an add that is accepted, and no flood makes it grow: see the limits.
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
# That are not listed as storefronts: those have all their names, so no stranger can hide them.
MAX_ORIGINS = 100
# Of processes; the oldest go. `serve` begins without any.
MAX_FILES = 512
# More than the limits above can come to; nobody else's file is read to its end.
MAX_FILE_BYTES = 4 * 1024 * 1024
ANY_CODE = ""


class Count(msgspec.Struct):
    """Requests that were refused with a code (or any) to pages of an origin, and when last."""

    code: str
    origin: str
    requests: Annotated[int, msgspec.Meta(ge=0)] = 0
    last: Seconds = 0.0


class Summary(msgspec.Struct):
    """`counts` has each pair of code and origin once, and each origin with ANY_CODE.

    A request counts once for each of its codes. The sample's newest are its last.
    """

    counts: list[Count]
    sample: list[Refusal]


_decode = msgspec.json.Decoder(Summary).decode


class Record:
    """What one process keeps. Any thread may add to it."""

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
        """The process's own file. Asked each time: a process may have been forked meanwhile."""
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
        """As it stands; a copy."""
        with self._lock:
            counts = [msgspec.structs.replace(each) for each in self._counts.values()]
            return Summary(counts, list(self._sample))

    def write(self, *, at_once: bool = False) -> None:
        """Write it down if it has changed, unless that was done within the last second.

        A disk that does not take it is one line in the log: nothing depends on this file.
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
                self._complain(str(error))

    def _is_due(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._write_at:
                return False
            self._write_at = now + WRITE_EVERY_S
            return True

    def _write(self) -> None:
        """Aside and renamed into place, so that nobody reads half of it. Raises OSError."""
        self._is_written = True  # Before it is looked at: what comes now is for the next time.
        content = msgspec.json.encode(self.summary())
        path = self.path
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_room(path.parent)
        aside = path.with_suffix(".new")
        opened = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(content)
        aside.replace(path)

    def _complain(self, failure: str) -> None:
        if failure != self._failure:
            self._failure = failure
            log.warning("the refusals can't be written down: %s", failure)

    def _name(self, origin: str) -> str:
        """What an origin counts as: itself, while there is room for its name."""
        if origin in self._strangers or origin in (NO_ORIGIN, NOT_READ, OTHERS):
            return origin
        if origin in settings.STOREFRONT_ORIGINS:
            return origin
        if len(self._strangers) >= MAX_ORIGINS:
            return OTHERS
        self._strangers.add(origin)
        return origin


class _OfThread(threading.local):
    """A problem that became an answer: its request is told next, by the same thread, or never."""

    refusal: Refusal | None = None


_record = Record()
_held = _OfThread()


def show(*, at_once: bool = False) -> None:
    """Let other processes see what this one has refused: at most once a second unless `at_once`.

    `serve` calls it once a second on the thread of its event loop: the last ones before a pause
    must not be left out. Raises nothing.
    """
    _settle()
    _record.write(at_once=at_once)


def collect() -> Summary:
    """What all processes of this machine have refused; this one's up to now.

    Files that are no such files, or can't be read, count for nothing.
    """
    _settle()
    counts: dict[tuple[str, str], Count] = {}
    sample: list[Refusal] = []
    for each in (_record.summary(), *_others(_record.path)):
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
    """What the other processes have written."""
    for path in _files(directory(), ".json")[:MAX_FILES]:
        if path == own:
            continue
        try:
            with path.open("rb") as file:
                yield _decode(file.read(MAX_FILE_BYTES))
        except (OSError, ValueError, RecursionError):
            continue  # Gone meanwhile, or somebody else's.


def _files(path: Path, *suffixes: str) -> list[Path]:
    """The regular files with these endings, the newest first."""
    found: list[tuple[float, Path]] = []
    with contextlib.suppress(OSError):  # Nothing was refused yet, or it is just being emptied.
        for each in path.iterdir():
            with contextlib.suppress(OSError):  # Gone meanwhile.
                about = each.lstat()
                if each.suffix in suffixes and stat.S_ISREG(about.st_mode):
                    found.append((about.st_mtime, each))
    return [path for _, path in sorted(found, reverse=True)]


def _make_room(path: Path) -> None:
    """For one more file: under another server than `serve`, those of its old processes stay."""
    for each in _files(path, ".json", ".new")[MAX_FILES - 1 :]:
        each.unlink(missing_ok=True)


def _hold(*, problem: Problem, **kwargs: object) -> None:
    _settle()
    _held.refusal = of_problem(problem)


def _take(
    *, request: HttpRequest, response: HttpResponse, request_id: str, **kwargs: object
) -> None:
    problem: Problem | None = getattr(response, "problem", None)
    _held.refusal = None
    if problem is not None:
        _record.add(of_request(request, problem, request_id))


def _settle() -> None:
    """Count what this thread holds: the server has refused it by itself, without a request."""
    refusal, _held.refusal = _held.refusal, None
    if refusal is not None:
        _record.add(refusal)


refused.connect(_hold)
request_refused.connect(_take)
