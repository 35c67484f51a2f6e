"""Which part of a request costs how much: timers around the layers, and the functions below."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from time import thread_time_ns
from typing import Any, NamedTuple

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.urls import resolve
from django.utils.module_loading import import_string

from core import handler
from core.profiling import replaced
from core.profiling.statements import executed_by
from core.public import WsgiApplication
from middleware import cart_id, storefront
from tracker import store, views


class Stage(NamedTuple):
    """A part of a request: its file, and what it does there."""

    place: str
    what: str


HANDLER = Stage("core/handler.py", "request in, answer out")
VIEW = Stage("tracker/views.py", "the view")
BODY = Stage("middleware/request.py", "body read and decoded")
ITEM = Stage("tracker/payload.py", "item checked")
INTAKE = Stage("tracker/intake/", "made durable")
MERGE = Stage("tracker/store.py", "merged into its rows")
COOKIE = Stage("middleware/cart_id.py", "cookie of the answer")
_LAYERS = {
    "middleware.access.AccessMiddleware": "its name and its log",
    "middleware.cors.CorsMiddleware": "may this page ask?",
    "middleware.problem.ProblemMiddleware": "form of every error",
    "middleware.cart_id.CartIdMiddleware": "whose cart",
    "middleware.storefront.StorefrontMiddleware": "the way to the view",
}
# Where the callers look them up.
_FUNCTIONS = {
    (views, "json_body"): BODY,
    (views, "parse_add"): ITEM,
    (views, "accept"): INTAKE,
    (store, "merge"): MERGE,
    (cart_id, "json_body"): BODY,
    (cart_id, "cart_id_cookie"): COOKIE,
}
_CALIBRATION_CALLS = 1000


class Stopwatch:
    """CPU time of this thread for each stage, less that of the stages within it.

    Reading the clock costs about as much as the smallest stages take, so the timers' own cost is
    measured when they are made, and left out.
    """

    def __init__(self) -> None:
        self.ns: dict[Stage, int] = {}
        self.calls: dict[Stage, int] = {}
        self._within = 0  # What the stages inside the running one have taken.
        self._own = self._around = 0  # A timer's cost: to its stage, and to the one around it.
        self._calibrate()

    def timed(self, stage: Stage, function: Callable[..., Any]) -> Callable[..., Any]:
        self._forget(stage)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            outside, self._within = self._within, 0
            begin = thread_time_ns()
            try:
                return function(*args, **kwargs)
            finally:
                took = thread_time_ns() - begin
                self.ns[stage] += took - self._within - self._own
                self.calls[stage] += 1
                self._within = outside + took + self._around

        return call

    def reset(self) -> None:
        for stage in self.ns:
            self._forget(stage)

    def _forget(self, stage: Stage) -> None:
        self.ns[stage] = self.calls[stage] = 0

    def cost_us(self, requests: int) -> float:
        """What the timers have added to one of so many requests."""
        return (self._own + self._around) * sum(self.calls.values()) / requests / 1000

    def _calibrate(self) -> None:
        probe = Stage("", "nothing")
        timed = self.timed(probe, _nothing)
        bare, whole = _ns_per_call(_nothing), _ns_per_call(timed)
        inside = self.ns.pop(probe) // self.calls.pop(probe)
        self._own, self._around = inside - bare, whole - inside


def _nothing() -> None:
    pass


def _ns_per_call(function: Callable[[], object]) -> int:
    begin = thread_time_ns()
    for _ in range(_CALIBRATION_CALLS):
        function()
    return (thread_time_ns() - begin) // _CALIBRATION_CALLS


@contextmanager
def timed_application(stopwatch: Stopwatch) -> Iterator[WsgiApplication]:
    """The application with a timer around each of its stages; to be called within."""
    layers = _layers()
    for stage in (HANDLER, *layers.values(), VIEW, BODY, ITEM, INTAKE, MERGE, _driver(), COOKIE):
        stopwatch.timed(stage, _nothing)  # In the order in which they are shown.

    def layer(name: str) -> Callable[..., Any]:
        made = import_string(name)
        return lambda get_response: stopwatch.timed(layers[name], made(get_response))

    with replaced(handler, import_string=layer):
        application = handler.Application(WSGIHandler())
    with ExitStack() as stack:
        _time_functions(stopwatch, stack)
        yield stopwatch.timed(HANDLER, application)


def _layers() -> dict[str, Stage]:
    """The middleware that POST /items goes through, by its name in the settings."""
    return {name: _layer(*name.rpartition(".")) for name in handler.storefront_layers()}


def _layer(module: str, dot: str, name: str) -> Stage:
    return Stage(f"{module.replace('.', '/')}.py", _LAYERS.get(f"{module}.{name}", name))


def _driver() -> Stage:
    package = connection.Database.__name__.partition(".")[0]  # type: ignore[attr-defined]
    return Stage(package, f"{connection.display_name} is asked")


def _time_functions(stopwatch: Stopwatch, stack: ExitStack) -> None:
    """Within the stack, what the layers call is timed, too."""
    match = resolve("/items")
    match.func = stopwatch.timed(VIEW, match.func)
    stack.enter_context(replaced(storefront, _resolve=lambda _: match))
    for (owner, name), stage in _FUNCTIONS.items():
        timed = stopwatch.timed(stage, getattr(owner, name))
        stack.enter_context(replaced(owner, **{name: timed}))
    stack.enter_context(executed_by(stopwatch.timed(_driver(), lambda call, *_: call())))
