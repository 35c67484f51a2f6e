"""The parser without sockets: the same events however the bytes are cut, and limits for all."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.server.http.bodies import MAX_FRAMING_BYTES
from core.server.http.head import MAX_FIELDS, MAX_HEAD_BYTES
from core.server.http.parser import Event, Fault, Phase, Request, RequestParser
from tests.support.wire import CHUNKED, ITEM, ORIGIN, chunk, head, post
from tracker.endpoint.body import MAX_BODY_BYTES

MAX_UPLOAD_BYTES = 100_000
LAST_CHUNK = b"0\r\n\r\n"
GOOD = [
    post(),
    post("Connection: keep-alive", "X: \t spaces \t"),
    head("GET /livez"),
    b"\r\n\r\n" + head("GET /livez?a=b"),
    head("POST /items", CHUNKED) + chunk(ITEM[:5]) + b'2;a="b"\r\n{}\r\n' + LAST_CHUNK,
    head("POST /items", CHUNKED) + chunk(ITEM) + b"0\r\nX: y\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    head("GET http://other.example:81/path?q"),
    post("Expect: 100-continue"),
]
BAD = [
    post("Connection: close"),
    b"POST /items HTTP/1.1\nHost: a\n\n",
    b"POST /items\x00 HTTP/1.1\r\nOrigin: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    head("POST /items", f"Origin: {ORIGIN}", "bad line"),
    head("POST /items", "X : y", f"Origin: {ORIGIN}"),
    head("POST /items", CHUNKED, "Content-Length: 5"),
    head("POST /items", "Content-Length: 17000"),
    head("POST /items", CHUNKED) + b"5\r\nabcdefg\r\n",
    head("POST /items", CHUNKED) + b"FFFFFF\r\n",
    head("POST /items", CHUNKED) + b"5\nabcde\r\n",
    head("POST /items", CHUNKED) + b"0\r\nX: y\n\r\n",
    head("GET /livez", *["X: y"] * (MAX_FIELDS + 1)),
]


def events_of(pieces: Iterable[bytes], *, eof: bool = True) -> list[Event]:
    parser = RequestParser({}, max_upload_bytes=MAX_UPLOAD_BYTES)
    found: list[Event] = []
    for piece in pieces:
        parser.receive(piece)
        found += pending(parser)
    if eof:
        parser.receive_eof()
        found += pending(parser)
    return found


def pending(parser: RequestParser) -> Iterator[Event]:
    while (event := parser.next_event()) is not None:
        yield event


def plain(event: Event) -> Any:
    """What can be compared: the input is a file, and a problem has no equality."""
    environ = dict(event.environ or {})
    body = environ.pop("wsgi.input").getvalue() if "wsgi.input" in environ else None
    if isinstance(event, Request):
        return environ, body, event.keep_alive
    return environ, event.problem.faults[0].code, event.in_body


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


streams = st.lists(st.sampled_from(GOOD + BAD), min_size=1, max_size=4).map(b"".join)
# Bytes that look like HTTP here and there: a stream with some bytes replaced.
damaged = st.builds(
    lambda data, places, byte: bytes(
        byte if index in {place % len(data) for place in places} else each
        for index, each in enumerate(data)
    ),
    streams,
    st.lists(st.integers(0, 10_000), max_size=3),
    st.sampled_from(b"\r\n :;\x000a,\xff"),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(streams, damaged), st.lists(st.integers(0, 10_000), max_size=12))
@example(b"".join(GOOD), [])
def test_any_cutting_gives_the_same_events(data: bytes, places: list[int]) -> None:
    whole = [plain(event) for event in events_of([data])]
    assert [plain(event) for event in events_of(cut(data, places))] == whole
    assert [plain(event) for event in events_of(bytes([byte]) for byte in data)] == whole


@settings(max_examples=200, deadline=None)
@given(st.one_of(streams, damaged))
def test_nothing_follows_a_fault_or_the_last_request(data: bytes) -> None:
    events = events_of([data])
    for event in events[:-1]:
        assert isinstance(event, Request)
        assert event.keep_alive


def test_good_requests_are_read_one_after_the_other() -> None:
    events = events_of([b"".join(GOOD)])
    assert len(events) == len(GOOD)
    assert {type(event) for event in events} == {Request}
    bodies = [plain(event)[1] for event in events]
    assert bodies[0] == bodies[1] == bodies[5] == bodies[8] == ITEM
    assert bodies[4] == ITEM[:5] + b"{}"


@pytest.mark.parametrize("data", BAD[1:])
def test_bad_requests_are_faults(data: bytes) -> None:
    (event,) = events_of([data])
    assert isinstance(event, Fault)


@pytest.mark.parametrize(
    ("begin", "more", "code", "at_most"),
    [
        (b"", b"\r\n", "head_too_large", MAX_HEAD_BYTES + 10),
        (b"GET /", b"a", "head_too_large", MAX_HEAD_BYTES + 10),
        (b"GET / HTTP/1.1\r\nX: ", b"a", "head_too_large", MAX_HEAD_BYTES + 10),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n", "head_too_large", MAX_HEAD_BYTES + 10),
        (b"", b"1;a=b\r\nx\r\n", "body_too_large", MAX_FRAMING_BYTES + MAX_BODY_BYTES + 600),
        (b"", b"00000", "body_too_large", MAX_FRAMING_BYTES + 600),
        (b"1;", b"a=b;", "body_too_large", MAX_FRAMING_BYTES + 600),
        (b"1\r\n", b"x\r\n1\r\n", "body_too_large", 6 * MAX_BODY_BYTES + 600),
        (b"5000", b"\r\n", "body_too_large", 600),
        (b"0\r\n", b"X: y\r\n", "head_too_large", MAX_HEAD_BYTES + 600),
        (b"0\r\nX: ", b"y", "head_too_large", MAX_HEAD_BYTES + 600),
    ],
)
def test_the_bytes_of_one_request_are_bounded(
    begin: bytes, more: bytes, code: str, at_most: int
) -> None:
    """Whatever never ends is refused, and what is kept of it never exceeds what was sent."""
    if begin[:1].isdigit() or more[:1].isdigit():
        begin = head("POST /items", CHUNKED) + begin
    parser = RequestParser({}, max_upload_bytes=MAX_UPLOAD_BYTES)
    parser.receive(begin)
    sent = len(begin)
    event = parser.next_event()
    while event is None:
        assert sent < at_most
        parser.receive(more)
        sent += len(more)
        event = parser.next_event()
        assert parser.buffered <= MAX_FRAMING_BYTES + len(more)
    assert plain(event)[1] == code
    assert (parser.phase, parser.buffered) == (Phase.ENDED, 0)


@pytest.mark.parametrize("size", [MAX_BODY_BYTES, MAX_BODY_BYTES + 1])
def test_a_body_of_the_greatest_size_may_come_in_chunks_of_one_byte(size: int) -> None:
    """R16"""
    raw = head("POST /items", CHUNKED) + chunk(b"x") * size + LAST_CHUNK
    (event,) = events_of([raw])
    assert isinstance(event, Request) == (size == MAX_BODY_BYTES)


def test_a_head_of_the_greatest_size_is_read() -> None:
    bare = len(head("GET /", "X: "))
    (event,) = events_of([head("GET /", "X: " + "a" * (MAX_HEAD_BYTES - bare))])
    assert isinstance(event, Request)
    (event,) = events_of([head("GET /", "X: " + "a" * (MAX_HEAD_BYTES - bare + 1))])
    assert plain(event)[1] == "head_too_large"


def test_what_can_be_read_of_a_refused_head_is_told() -> None:
    """R33: the Origin, wherever the fault is."""
    for raw in (
        head("POST /items", "bad line", f"Origin: {ORIGIN}"),
        head("POST /items", f"Origin: {ORIGIN}", "X: " + "a" * MAX_HEAD_BYTES),
        head("POST /items", f"Origin: {ORIGIN}")[:-2],
        f"POST /items HTTP/1.1\r\nOrigin: {ORIGIN}\r\n\r\n".encode(),
    ):
        (event,) = events_of([raw])
        assert isinstance(event, Fault)
        assert event.environ is not None
        assert event.environ["PATH_INFO"] == "/items"
        assert event.environ["HTTP_ORIGIN"] == ORIGIN
