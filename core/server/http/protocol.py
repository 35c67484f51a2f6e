"""One connection without I/O: bytes and responses in, requests and bytes out, time handed in."""

from enum import IntEnum, auto

from core.server.http import writer
from core.server.http.head import Environ
from core.server.http.parser import Event, Phase, Request, RequestParser
from tracker.endpoint.body import body_timeout
from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.problem import Problem

HEAD_TIMEOUT_S = 10
BODY_TIMEOUT_S = 10
# A client that reads a response has this long for each MIN_READ_BYTES.
READ_TIMEOUT_S = 30
MIN_READ_BYTES = 16_384
# How much a client may go on sending after its last response. Closing at once would reset the
# connection, and a client that is sending its body would never see why it was refused.
LINGER_S = 2
LINGER_BYTES = 1_048_576
# How much is read ahead of the request that is being answered.
READ_AHEAD_BYTES = 65_536

_HEAD_TIMEOUT = Problem.one(ErrorCode.HEAD_TIMEOUT, "The request's headers did not arrive in time.")
_NEVER = float("inf")
_UNKNOWN = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1"}


class State(IntEnum):
    """What a connection is doing."""

    READING = auto()
    """No response is due. The next request is awaited, or is arriving."""
    ANSWERING = auto()
    """The application works on a request. What arrives meanwhile is kept."""
    FINISHING = auto()
    """The application works on the last request. What still arrives is dropped."""
    LINGERING = auto()
    """The last response is out and our side is closed. What still arrives is dropped."""
    CLOSED = auto()


MOVES: dict[State, frozenset[State]] = {
    # A request; a request or fault that ends the connection; the end, or a deadline.
    State.READING: frozenset({State.ANSWERING, State.FINISHING, State.CLOSED}),
    # The response is complete; its end is that of the connection; the client is gone.
    State.ANSWERING: frozenset({State.READING, State.FINISHING, State.CLOSED}),
    # The response is complete, and the client may still be sending, or not.
    State.FINISHING: frozenset({State.LINGERING, State.CLOSED}),
    # The client has ended, too, or its time is over.
    State.LINGERING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


class ServerProtocol:
    """The server's side of one connection (RFC 9112), as a state machine.

    Requests are taken and answered one at a time, so the responses leave in the order of the
    requests (section 9.3.2), and nothing behind a request is looked at before it is answered. The
    owner reports what happens, and then asks `next_event` what is to be answered, `interim` what is
    to be sent, `wants_input` whether to read, and `state` whether the connection ends. `now` is in
    seconds of a monotonic clock.
    """

    __slots__ = (
        "_eof",
        "_is_paused",
        "_keep_alive_s",
        "_lingered_bytes",
        "_parser",
        "_request",
        "_unread_bytes",
        "deadline",
        "state",
    )

    def __init__(
        self, base: Environ, *, max_upload_bytes: int, keep_alive_s: float, now: float
    ) -> None:
        self._parser = RequestParser(base, max_upload_bytes=max_upload_bytes)
        self._keep_alive_s = keep_alive_s
        self._request: Environ = _UNKNOWN  # The one whose response is due.
        self._eof = False  # The client sends no more.
        self._is_paused = False  # The client does not read as fast as we write.
        self._unread_bytes = self._lingered_bytes = 0
        self.state = State.READING
        self.deadline = now + HEAD_TIMEOUT_S
        """When to call `time_out`."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due, and nothing has begun to arrive."""
        parser = self._parser
        return (
            self.state is State.READING
            and parser.phase is Phase.IDLE
            and not parser.buffered
            and not self._eof
        )

    @property
    def wants_input(self) -> bool:
        """Whether to read from the client. Not while it leaves its responses unread."""
        if self._is_paused or self.state is State.FINISHING:
            return False
        return self.state is not State.ANSWERING or self._parser.buffered < READ_AHEAD_BYTES

    # -- What happens ------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the client."""
        if self.state is State.READING or self.state is State.ANSWERING:
            self._parser.receive(data)
        elif self.state is State.LINGERING:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > LINGER_BYTES:
                self._close(now)

    def receive_eof(self, now: float) -> None:
        """Take the end of the client's input. It may still read: it gets its responses first."""
        self._eof = True
        self._parser.receive_eof()
        if self.state is State.LINGERING:
            self._close(now)

    def lose(self) -> None:
        """Take the end of the connection."""
        if self.state is not State.CLOSED:
            self._move(State.CLOSED)

    def pause(self, now: float, unread_bytes: int) -> None:
        """Stop answering: so many bytes wait for the client to read them."""
        self._is_paused = True
        self._unread_bytes = unread_bytes
        self.deadline = now + READ_TIMEOUT_S

    def resume(self, now: float) -> None:
        """Go on: the client has read."""
        self._is_paused = False
        self._unread_bytes = 0
        if self.state is State.READING:
            self._await_input(now)
        elif self.state is State.LINGERING:
            self.deadline = now + LINGER_S
        else:
            self.deadline = _NEVER

    def time_out(self, now: float, unread_bytes: int) -> Event | None:
        """Handle the deadline: return the fault of a request that is late, or end the connection.

        A client that still reads a response, slowly but enough, gets more time.
        """
        read_bytes = self._unread_bytes - unread_bytes
        if unread_bytes and (not self._unread_bytes or read_bytes >= MIN_READ_BYTES):
            self._unread_bytes = unread_bytes
            self.deadline = now + READ_TIMEOUT_S
        elif unread_bytes or self.state is not State.READING or self.is_idle:
            self._close(now)
        else:
            in_body = self._parser.phase is Phase.BODY
            return self._begin(self._parser.fail(body_timeout() if in_body else _HEAD_TIMEOUT))
        return None

    # -- The next request, and its response --------------------------------------------------------

    def next_event(self, now: float, *, stopping: bool = False) -> Event | None:
        """Return what is to be answered now: a request or a fault, or None.

        With `stopping`, the connection ends with the last request that has arrived.
        """
        if self.state is not State.READING or self._is_paused:
            return None
        parser = self._parser
        before = parser.phase
        event = parser.next_event()
        if event is not None:
            return self._begin(event, is_last=stopping and not parser.buffered)
        if parser.phase is Phase.ENDED:
            self._close(now)
        elif parser.phase is not before and parser.phase is not Phase.IDLE:
            self._await_input(now)
        return None

    def _begin(self, event: Event, *, is_last: bool = False) -> Event:
        """Begin to answer a request or a fault."""
        self._request = event.environ or _UNKNOWN
        keeps = isinstance(event, Request) and event.keep_alive and not is_last
        self._move(State.ANSWERING if keeps else State.FINISHING)
        self.deadline = _NEVER
        return event

    def interim(self) -> bytes:
        """Return what is to be sent before the next response: 100 Continue, or nothing.

        Nothing while a response is due, within which it would land: then no body is being read.
        """
        return writer.CONTINUE if self._parser.take_continue() else b""

    def respond(
        self, status: str, headers: writer.Headers, body: bytes | None, *, date: str
    ) -> tuple[bytes, ...]:
        """Return the bytes of a response. Without a body they are its head: parts follow."""
        if self.state is State.ANSWERING:
            has_end = body is not None or writer.has_visible_end(self._request, headers)
            if not has_end or (self._eof and not self._parser.buffered):
                self._move(State.FINISHING)
        elif self.state is not State.FINISHING:
            return ()
        keep_alive = self.state is State.ANSWERING
        return writer.response(
            self._request, status, headers, body, date=date, keep_alive=keep_alive
        )

    def end_response(self, now: float) -> bool:
        """Go on to the next request, or end, after a response was sent.

        Return whether there is something to do at once, or else only when more arrives.
        """
        if self.state is State.ANSWERING:
            self._move(State.READING)
            if not self._is_paused:
                self.deadline = now + self._keep_alive_s
            return self._eof or self._parser.buffered > 0
        if self.state is State.FINISHING and self._eof:
            self._close(now)
        elif self.state is State.FINISHING:
            self._move(State.LINGERING)
            self.deadline = now + (READ_TIMEOUT_S if self._is_paused else LINGER_S)
        return True

    # -- Time and state ----------------------------------------------------------------------------

    def _await_input(self, now: float) -> None:
        """Set the deadline: for the whole head or the whole body, not for the next byte of it."""
        phase = self._parser.phase
        if phase is Phase.HEAD:
            self.deadline = now + HEAD_TIMEOUT_S
        elif phase is Phase.BODY:
            self.deadline = now + BODY_TIMEOUT_S
        else:
            self.deadline = now + self._keep_alive_s

    def _close(self, now: float) -> None:
        """End the connection. What is still unread has as long as any response."""
        self.lose()
        self.deadline = now + READ_TIMEOUT_S

    def _move(self, state: State) -> None:
        if state not in MOVES[self.state]:
            raise RuntimeError(f"a connection can't move from {self.state!r} to {state!r}")
        self.state = state
