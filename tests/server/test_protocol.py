"""A connection without sockets: states, deadlines, and what holds in any order of events."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.server.http.parser import Event, Fault, Request
from core.server.http.protocol import (
    BODY_TIMEOUT_S,
    HEAD_TIMEOUT_S,
    LINGER_BYTES,
    LINGER_S,
    MIN_READ_BYTES,
    MOVES,
    READ_AHEAD_BYTES,
    READ_TIMEOUT_S,
    ServerProtocol,
    State,
)
from tests.support.wire import CHUNKED, ITEM, head, post

KEEP_ALIVE_S = 75
GET = head("GET /livez")
LAST = head("GET /livez", "Connection: close")
HEADERS = [("Content-Type", "text/plain")]
DATE = "Sat, 28 Nov 2026 08:00:00 GMT"


def begun(*pieces: bytes, now: float = 0) -> ServerProtocol:
    """A new connection on which this has arrived and was looked at."""
    protocol = ServerProtocol({}, max_upload_bytes=50_000, keep_alive_s=KEEP_ALIVE_S, now=now)
    for piece in pieces:
        protocol.receive(piece, now)
    protocol.next_event(now)
    return protocol


def state(protocol: ServerProtocol) -> State:
    return protocol.state  # A call, because mypy believes that an attribute stays as it was seen.


def reads(protocol: ServerProtocol) -> bool:
    return protocol.wants_input


def answer(protocol: ServerProtocol, now: float = 0) -> bytes:
    sent = b"".join(protocol.respond("200 OK", HEADERS, b"ok", date=DATE))
    protocol.end_response(now)
    return sent


def ended(protocol: ServerProtocol) -> ServerProtocol:
    protocol.receive_eof(0)
    protocol.next_event(0)
    return protocol


def answered(protocol: ServerProtocol) -> ServerProtocol:
    answer(protocol)
    return protocol


def lost(protocol: ServerProtocol) -> ServerProtocol:
    protocol.lose()
    return protocol


def streamed(protocol: ServerProtocol) -> ServerProtocol:
    protocol.respond("200 OK", HEADERS, None, date=DATE)
    return protocol


OLD = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
EXAMPLES: dict[tuple[State, State], list[Callable[[], ServerProtocol]]] = {
    (State.READING, State.ANSWERING): [lambda: begun(GET)],
    (State.READING, State.FINISHING): [
        lambda: begun(LAST),
        lambda: begun(b"\x00"),
        lambda: ended(begun(b"GET / HT")),
    ],
    (State.READING, State.CLOSED): [lambda: ended(begun()), lambda: lost(begun())],
    (State.ANSWERING, State.READING): [lambda: answered(begun(GET))],
    (State.ANSWERING, State.FINISHING): [lambda: streamed(begun(OLD))],
    (State.ANSWERING, State.CLOSED): [lambda: lost(begun(GET))],
    (State.FINISHING, State.LINGERING): [lambda: answered(begun(LAST))],
    (State.FINISHING, State.CLOSED): [
        lambda: answered(ended(begun(LAST))),
        lambda: lost(begun(LAST)),
    ],
    (State.LINGERING, State.CLOSED): [
        lambda: ended(answered(begun(LAST))),
        lambda: lost(answered(begun(LAST))),
    ],
}


def test_every_move_of_the_table_has_an_example() -> None:
    assert set(EXAMPLES) == {(before, after) for before in State for after in MOVES[before]}


@pytest.mark.parametrize("move", EXAMPLES, ids=lambda move: f"{move[0].name}-{move[1].name}")
def test_a_move_ends_where_the_table_says(move: tuple[State, State]) -> None:
    for example in EXAMPLES[move]:
        assert example().state is move[1]


def test_no_other_move_is_possible() -> None:
    protocol = lost(begun())
    for state in State:
        with pytest.raises(RuntimeError):
            protocol._move(state)  # There is no way to ask for it.


@pytest.mark.parametrize(
    ("pieces", "timeout_s"),
    [([], HEAD_TIMEOUT_S), ([b"GET"], HEAD_TIMEOUT_S), ([post()[:-1]], BODY_TIMEOUT_S)],
    ids=["nothing", "head", "body"],
)
def test_a_deadline_is_for_the_whole_and_not_for_the_next_byte(
    pieces: list[bytes], timeout_s: int
) -> None:
    protocol = begun(*pieces, now=100)
    assert protocol.deadline == 100 + timeout_s
    if pieces:
        protocol.receive(b"X" if pieces == [b"GET"] else b"", 105)
        assert protocol.next_event(105) is None
        assert protocol.deadline == 100 + timeout_s


@pytest.mark.parametrize(
    ("pieces", "code"),
    [([b"GET"], "head_timeout"), ([post()[:-1]], "body_timeout"), ([], None)],
    ids=["head", "body", "nothing"],
)
def test_what_is_late_is_refused_and_who_is_idle_is_closed(
    pieces: list[bytes], code: str | None
) -> None:
    protocol = begun(*pieces)
    event = protocol.time_out(11, 0)
    if code is None:
        assert (event, protocol.state) == (None, State.CLOSED)
    else:
        assert isinstance(event, Fault)
        assert event.problem.faults[0].code == code
        assert b"Connection: close" in answer(protocol)


def test_no_deadline_while_a_response_is_due_and_the_idle_one_after_it() -> None:
    protocol = begun(GET)
    assert protocol.deadline == float("inf")
    answer(protocol, now=50)
    assert protocol.deadline == 50 + KEEP_ALIVE_S


def test_a_client_that_reads_slowly_gets_time_and_one_that_stops_does_not() -> None:
    protocol = begun(GET)
    protocol.pause(0, 300_000)
    answer(protocol)
    assert protocol.deadline == READ_TIMEOUT_S
    protocol.time_out(31, 300_000 - MIN_READ_BYTES)
    assert (state(protocol), protocol.deadline) == (State.READING, 31 + READ_TIMEOUT_S)
    protocol.time_out(62, 300_000 - MIN_READ_BYTES - 1)
    assert state(protocol) is State.CLOSED


def test_the_last_response_may_be_read_slowly_too() -> None:
    protocol = answered(begun(LAST))
    assert protocol.deadline == LINGER_S
    protocol.time_out(3, 50_000)
    assert (state(protocol), protocol.deadline) == (State.LINGERING, 3 + READ_TIMEOUT_S)
    protocol.time_out(34, 0)
    assert state(protocol) is State.CLOSED


def test_what_is_sent_after_the_last_request_is_bounded() -> None:
    protocol = begun(LAST)
    assert not reads(protocol)
    answer(protocol)
    assert reads(protocol)
    protocol.receive(b"x" * LINGER_BYTES, 0)
    assert state(protocol) is State.LINGERING
    protocol.receive(b"x", 0)
    assert state(protocol) is State.CLOSED


def test_not_much_is_read_ahead() -> None:
    protocol = begun(GET * 5000)
    assert not reads(protocol)
    while protocol.state is State.ANSWERING:
        answer(protocol)
        protocol.next_event(0)
    assert reads(protocol)


def test_100_continue_is_sent_once_and_in_its_turn() -> None:
    """RFC 9110, section 10.1.1, also for a list and behind another request."""
    waiting = post("Expect: a=b, 100-Continue").removesuffix(ITEM)
    protocol = begun(GET + waiting)
    assert protocol.interim() == b""
    answer(protocol)
    assert protocol.next_event(0) is None
    assert protocol.interim() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert protocol.interim() == b""
    protocol.receive(ITEM, 0)
    assert isinstance(protocol.next_event(0), Request)


@pytest.mark.parametrize(
    "raw",
    [
        post("Expect: 100-continue").removesuffix(ITEM) + ITEM[:1],
        head("POST /items", "Expect: 100-continue", CHUNKED) + b"5\r\n{",
        post("Expect: something-else").removesuffix(ITEM),
        post().removesuffix(ITEM),
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_100_continue_is_not_sent_to_whom_does_not_wait_for_it(raw: bytes) -> None:
    assert begun(raw).interim() == b""


@pytest.mark.parametrize(
    ("status", "headers", "body", "has", "has_not"),
    [
        ("200 OK", [], b"ok", b"Content-Length: 2\r\n", b"Transfer"),
        ("200 OK", [], b"", b"Content-Length: 0\r\n", b"Transfer"),
        ("200 OK", [("content-length", "2")], b"ok", b"content-length: 2\r\n", b"Content-L"),
        ("200 OK", [], None, b"Transfer-Encoding: chunked\r\n", b"ength"),
        ("204 No Content", [("Content-Length", "0")], b"", b"204", b"ength"),
        ("304 Not Modified", [("Content-Length", "0")], b"", b"304", b"ength"),
        ("304 Not Modified", [], None, b"304", b"Transfer"),
    ],
)
def test_a_response_has_one_length(
    status: str, headers: list[tuple[str, str]], body: bytes | None, has: bytes, has_not: bytes
) -> None:
    """RFC 9112, section 6.3."""
    sent = b"".join(begun(GET).respond(status, headers, body, date=DATE))
    assert has in sent
    assert has_not not in sent
    assert sent.endswith(b"\r\n\r\n" + (body or b""))


def test_head_gets_the_length_and_no_body() -> None:
    sent = b"".join(begun(head("HEAD /livez")).respond("200 OK", [], b"12345", date=DATE))
    assert b"Content-Length: 5\r\n" in sent
    assert sent.endswith(b"\r\n\r\n")


class AnyOrder(RuleBasedStateMachine):
    """A connection to which everything happens in any order, as its owner may report it.

    The client sends numbered requests; each answer carries the number of its request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.protocol = ServerProtocol(
            {}, max_upload_bytes=50_000, keep_alive_s=KEEP_ALIVE_S, now=0
        )
        self.to_send = b""
        self.numbered = self.taken = 0
        self.event: Event | None = None
        self.over = False  # A fault or a last request was taken.
        self.eof = False

    @rule(kind=st.sampled_from(["get", "post", "chunked", "close", "bad"]), times=st.integers(1, 3))
    def write(self, kind: str, times: int) -> None:
        for _ in range(times):
            path = f"/{self.numbered}"
            self.numbered += 1
            self.to_send += {
                "get": head(f"GET {path}"),
                "post": post(path=path),
                "chunked": head(f"POST {path}", CHUNKED) + b"2\r\n{}\r\n0\r\n\r\n",
                "close": head(f"GET {path}", "Connection: close"),
                "bad": head(f"GET {path}", "no colon"),
            }[kind]

    @precondition(lambda self: self.to_send and not self.eof and self.protocol.wants_input)
    @rule(size=st.integers(1, 200))
    def receive(self, size: int) -> None:
        piece, self.to_send = self.to_send[:size], self.to_send[size:]
        self.protocol.receive(piece, self.now)
        self.take()

    @precondition(lambda self: not self.eof)
    @rule()
    def receive_eof(self) -> None:
        self.eof = True
        self.protocol.receive_eof(self.now)
        self.take()

    @precondition(lambda self: self.event is not None)
    @rule(parts=st.booleans())
    def answer(self, parts: bool) -> None:
        self.event = None
        state = self.protocol.state
        body = None if parts else b"ok"
        sent = b"".join(self.protocol.respond("200 OK", HEADERS, body, date=DATE))
        if state is State.CLOSED:
            assert sent == b""
        else:
            says_close = b"\r\nConnection: close\r\n" in sent
            assert says_close == (self.protocol.state is State.FINISHING)
            self.over |= says_close
        if self.protocol.end_response(self.now):
            self.take()

    @rule(unread=st.integers(1, 400_000))
    def pause(self, unread: int) -> None:
        if self.protocol.state is not State.CLOSED:
            self.protocol.pause(self.now, unread)

    @rule()
    def resume(self) -> None:
        if self.protocol.state is not State.CLOSED:
            self.protocol.resume(self.now)
            self.take()

    @rule(seconds=st.sampled_from([0.1, 5, 40, 100]), unread=st.integers(0, 100_000))
    def wait(self, seconds: float, unread: int) -> None:
        self.now += seconds
        if self.protocol.deadline < self.now:
            event = self.protocol.time_out(self.now, unread)
            if event is not None:
                self.begin(event)

    @rule()
    def lose(self) -> None:
        self.protocol.lose()

    def take(self) -> None:
        event = self.protocol.next_event(self.now)
        if event is not None:
            self.begin(event)

    def begin(self, event: Event) -> None:
        assert self.event is None, "two requests are answered at once"
        assert not self.over, "something follows the last request"
        self.event = event
        if isinstance(event, Request):
            assert event.environ["PATH_INFO"] == f"/{self.taken}", "out of order"
            self.taken += 1
            self.over = not event.keep_alive
        else:
            self.over = True

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.protocol._parser.buffered <= READ_AHEAD_BYTES + 200

    @invariant()
    def a_response_is_due_in_two_states_only(self) -> None:
        if self.protocol.state is not State.CLOSED:
            due = self.protocol.state in (State.ANSWERING, State.FINISHING)
            assert due == (self.event is not None)


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
