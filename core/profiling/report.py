"""A profile as text: the request and its answer, the SQL, the CPU time of each stage."""

from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from django.conf import settings

from core.profiling import undone
from core.profiling.measure import Cost, Seen
from core.profiling.post import Post
from core.profiling.statements import Counted, counted

_PLACE, _LABEL, _LEAST_LABEL, _COLUMN = 25, 49, 34, 15
_UNDER_TIME = " " * 12


class Profile(NamedTuple):
    """Of one intake: its name, a request that was looked at, and what many of them cost."""

    name: str
    seen: Seen
    cost: Cost


def exchange(post: Post, profiles: Sequence[Profile], width: int) -> Iterator[str]:
    """What was sent and what came back: one answer, unless the intakes differ in their status."""
    head = ["POST /items"]
    for name, text in post.headers().items():
        longer = f"{head[-1]}  {name}: {text}"
        head[-1:] = [longer] if len(longer) <= width else [head[-1], f"{name}: {text}"]
    for line in (*head, _body(post.body)):
        yield _cut(line, width)
    answers = {each.name: each.seen.answer for each in profiles}
    is_one = len({answer.status for answer in answers.values()}) == 1
    for name, answer in list(answers.items())[: 1 if is_one else None]:
        text = f"{answer.status}  {_body(answer.body)}"
        yield _cut(text if is_one else f"{name}: {text}", width)


def _body(body: bytes) -> str:
    return body.decode(errors="backslashreplace")


def statements(profiles: Sequence[Profile], width: int) -> Iterator[str]:
    """Each message to the database: its time on the clock, its statements, its parameters."""
    for name, (_, sent, drained), _ in profiles:
        if sent or drained is None:
            yield from _listed(name, counted(sent), width)
        else:
            yield f"{name}: no SQL, but a line in a file until the drain makes a row of it"
        if isinstance(drained, str):
            yield _cut(f"{name}, then the drain: {drained}", width)
        elif drained is not None:
            yield from _listed(f"{name}, then the drain", counted(drained), width)


def _listed(title: str, found: Sequence[Counted], width: int) -> Iterator[str]:
    yield f"{title}: {_summary(found)}"
    for each in found:
        first, *rest = each.statement.parts()
        yield _cut(f"{each.statement.took_s * 1000:10.2f}  {_mark(each)}{first}", width)
        yield from (_cut(_UNDER_TIME + part, width) for part in rest)
        if each.statement.params:
            yield _cut(f"{_UNDER_TIME}with {_text(each.statement.params)}", width)


def _mark(each: Counted) -> str:
    if each.duplicates > 1:
        return f"({each.duplicates} duplicates) "
    return f"({each.similar} similar) " if each.similar > 1 else ""


def _text(params: Any) -> str:
    return ", ".join(map(str, params.values() if isinstance(params, dict) else params))


def _summary(found: Sequence[Counted]) -> str:
    if not found:
        return "no SQL"
    parts = sum(len(each.statement.parts()) for each in found)
    words = [_number(parts, "statement")]
    if parts != len(found):
        words[0] += f" in {_number(len(found), 'message')}"
    for word, counts in (
        ("similar", [each.similar for each in found]),
        ("duplicates", [each.duplicates for each in found]),
    ):
        if many := sum(count > 1 for count in counts):
            words.append(f"{many} {word}")
    took_ms = sum(each.statement.took_s for each in found) * 1000
    return f"{', '.join(words)}, {took_ms:.2f} ms"


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def table(profiles: Sequence[Profile], width: int) -> Iterator[str]:
    """CPU of each stage, of the whole and of the empty view; beside it, over the empty view's."""
    label = max(_LEAST_LABEL, min(_LABEL, width - 1 - _COLUMN * len(profiles)))

    def row(text: str, of: Callable[[Cost], float | None]) -> str:
        cells = (_cell(of(each.cost), each.cost.empty.cpu_us) for each in profiles)
        return f"{_cut(text, label):{label}}{''.join(cells)}".rstrip()

    yield " " * label + "".join(f"{_cut(each.name, _COLUMN - 1):>{_COLUMN}}" for each in profiles)
    for stage in profiles[0].cost.stages:
        text = f"{stage.place:{_PLACE}}{stage.what}"
        yield row(text, lambda cost, stage=stage: cost.stages[stage])  # type: ignore[misc]
    yield row("all stages", lambda cost: sum(us for us in cost.stages.values() if us))
    yield row("without timers", lambda cost: cost.whole.cpu_us)
    yield row("empty Django view, no middleware", lambda cost: cost.empty.cpu_us)
    clock = (f"{each.cost.whole.elapsed_us:8.1f} {'':6}" for each in profiles)
    yield f"{'on the clock, with all waiting':{label}}{''.join(clock)}".rstrip()


def notes(profiles: Sequence[Profile], width: int) -> Iterator[str]:
    """How the figures came about, and what became of what was written."""
    timers = " and ".join(f"{each.cost.timers:.1f}" for each in profiles)
    posts = " and ".join(f"{each.cost.posts:,}" for each in profiles)
    yield from wrap(
        f"Medians of {posts} POSTs, taking turns with the empty view; on a busy machine they move"
        " by a fifth. Each wait, for a disk or a database, leaves the CPU's caches cold: then all"
        f" stages cost more. Left out: the timers' own {timers} µs. The same with more care:"
        " `script/bench in_process`.",
        width,
    )
    yield from wrap(undone.kept(), width)
    if settings.DEBUG:
        yield "DEBUG and the toolbar were off meanwhile."


def _cell(us: float | None, empty_us: float) -> str:
    return f"{'-':>8} {'':6}" if us is None else f"{us:8.1f} {us / empty_us:6.2f}"


def _cut(line: str, width: int) -> str:
    text = line.replace("\n", " ").rstrip()
    return text if len(text) <= width else f"{text[: width - 1]}…"
