"""One POST /items through the WSGI callable: its SQL, and its CPU time beside an empty view's."""

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter_ns, thread_time_ns
from typing import Any, NamedTuple
from uuid import uuid4

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import Error, connection

from core.handler import Application
from core.profiling import replaced
from core.profiling.post import Answer, Post, ask
from core.profiling.stages import Stage, Stopwatch, timed_application
from core.profiling.statements import Statement, recorded
from core.profiling.undone import Undo
from core.public import WsgiApplication
from tracker import drain, intake

TURN_CALLS = 50


class Turn(NamedTuple):
    """Means of one turn's requests, in microseconds: of this thread's CPU, and on the clock."""

    cpu_us: float
    elapsed_us: float

    def less(self, floor: "Turn") -> "Turn":
        return Turn(self.cpu_us - floor.cpu_us, self.elapsed_us - floor.elapsed_us)


class Seen(NamedTuple):
    """What one request was answered, and the SQL for it.

    `drained` is what the drain executes to make rows of it; None if nothing waits for a drain, a
    text if the drain failed.
    """

    answer: Answer
    statements: list[Statement]
    drained: list[Statement] | str | None


@dataclass(frozen=True)
class Cost:
    """Medians of the turns, in microseconds. A stage that no request came to has None."""

    posts: int
    whole: Turn
    empty: Turn
    stages: dict[Stage, float | None]
    timers: float


def look(post: Post, undo: Undo) -> Seen:
    """One request of a process that has answered another before.

    Raises django.db.Error where the database fails outside the request.
    """
    application, source = Application(WSGIHandler()), intake.current().source()
    ask(application, replace(post, cart_id=post.cart_id and uuid4()).environ())
    undo()
    _drained(source)
    undo()
    with recorded() as statements:
        answer = ask(application, post.environ())
    undo()
    drained = _drained(source)
    if source is not None:
        source.close()
    connection.close()  # A POST that has no use for it should not have to share it with `undo`.
    return Seen(answer, statements, drained)


def _drained(source: intake.Source | None) -> list[Statement] | str | None:
    """What the drain does with what waits: one record, or none if it was refused."""
    if source is None or (batch := source.read(1)) is None:
        return None
    try:
        with recorded() as statements:
            drain.merge_or_bury(batch.records)
    except Error as error:
        return intake.first_line(error)
    finally:
        source.acknowledge(batch)
    return statements


def measure(post: Post, undo: Undo, *, repeat: int, goes_on: Callable[[int], bool]) -> Cost:
    """So many requests, in turns; as many of an empty view before, and with timers after each turn.

    `goes_on` is told after each turn how many have been measured, and may end it with False. Raises
    django.db.Error as `look` does.
    """
    calls = min(repeat, TURN_CALLS)
    site, empty_site = Application(WSGIHandler()), _empty_site()
    whole, empty, timed = list[Turn](), list[Turn](), list[Stopwatch]()
    with _frozen_garbage():
        while len(whole) * calls < repeat:
            floor = _turn(_nothing, post, calls)
            with _empty_settings():
                empty.append(_turn(empty_site, post, calls).less(floor))
            whole.append(_turn(site, post, calls, undo).less(floor))
            timed.append(_timed_turn(post, calls, undo))
            if not goes_on(len(whole) * calls):
                break
    timers = median(each.cost_us(calls) for each in timed)
    return Cost(len(whole) * calls, _median(whole), _median(empty), _stages(timed, calls), timers)


def _empty_site() -> WsgiApplication:
    """Django as it comes. It looks at its settings when it is made, and when it is called."""
    with _empty_settings():
        return WSGIHandler()


def _empty_settings() -> AbstractContextManager[None]:
    return replaced(settings, MIDDLEWARE=[], ROOT_URLCONF="core.profiling.empty")


def _nothing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """What every application pays for being called, and for the clocks."""
    start_response("200 OK", [])
    return []


def _turn(application: WsgiApplication, post: Post, calls: int, undo: Undo = lambda: None) -> Turn:
    """What comes first in a turn finds cold caches: one request more, which does not count."""
    ask(application, post.environ())
    undo()
    cpu_ns = elapsed_ns = 0
    for _ in range(calls):
        environ = post.environ()
        clock, cpu = perf_counter_ns(), thread_time_ns()
        ask(application, environ)
        cpu_ns += thread_time_ns() - cpu
        elapsed_ns += perf_counter_ns() - clock
        undo()
    return Turn(cpu_ns / calls / 1000, elapsed_ns / calls / 1000)


def _timed_turn(post: Post, calls: int, undo: Undo) -> Stopwatch:
    stopwatch = Stopwatch()
    with timed_application(stopwatch) as application:
        ask(application, post.environ())
        undo()
        stopwatch.reset()
        for _ in range(calls):
            environ = post.environ()
            ask(application, environ)
            undo()
    return stopwatch


def _median(turns: list[Turn]) -> Turn:
    return Turn(median(each.cpu_us for each in turns), median(each.elapsed_us for each in turns))


def _stages(timed: list[Stopwatch], calls: int) -> dict[Stage, float | None]:
    return {
        stage: median(each.ns[stage] / calls / 1000 for each in timed) if count else None
        for stage, count in timed[0].calls.items()
    }


@contextmanager
def _frozen_garbage() -> Iterator[None]:
    """As the workers do it: what the start has made is not looked through again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
