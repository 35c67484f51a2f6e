"""Send load at a fixed rate, however fast the answers; measure latency from when each was due.

A closed loop, like wrk's, sends its next request only after a slow answer has come. The requests
that a shop would have sent meanwhile, and that would have waited, too, are missing in its
percentiles ("coordinated omission"). Here requests come like those of independent shoppers: the
times between them are distributed exponentially around the rate. A request for which no connection
is free waits for one, and that time counts.

It uses select(2) on plain sockets: its time-outs are in microseconds, those of uvloop and of epoll
in milliseconds, which would be most of the measured latency.
"""

import json
import os
import random
import re
import socket
import sys
import time
from argparse import ArgumentParser
from collections import Counter, deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from select import select
from statistics import quantiles

from bench.wire.traffic import request

CONNECTIONS = 16
GIVE_UP_AFTER_S = 10
_LENGTH = re.compile(rb"\ncontent-length: *(\d+)", re.IGNORECASE)  # All subjects send it.
_SEED = 20_261_122  # The same schedule for all subjects.


@dataclass
class Outcome:
    """What came back. `refused` counts answers other than 200, and connections that broke.

    When the run was given up, `unanswered` requests had been sent; `unsent` had found no free
    connection.
    """

    first_number: int
    sent: int = 0
    refused: int = 0
    unanswered: int = 0
    unsent: int = 0
    took_s: float = 0
    cpu_s: float = 0
    latencies_ms: dict[str, float] = field(default_factory=dict)
    others: float = 0  # As in Round; bench/wire/measure.py fills it in.


class Client:
    """One connection: sends a request, receives its reply in pieces, reconnects if it is closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.due = 0.0
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), GIVE_UP_AFTER_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, raw: bytes, due: float) -> None:
        """Send a request. Raises OSError if the server can't be reached."""
        self.due = due
        try:
            self._socket.sendall(raw)
        except OSError:  # A server may close a connection that is idle.
            self.reopen()
            self._socket.sendall(raw)

    def reopen(self) -> None:
        self._socket.close()
        self._open()

    def status(self) -> int | None:
        """Read what has come. Return the status of a whole reply, 0 if it broke, else None."""
        try:
            data = self._socket.recv(65_536)
        except OSError:
            data = b""
        if not data:
            self.reopen()
            return 0
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < int(_LENGTH.findall(head)[0]):
            return None
        self._received = b""
        if b"\r\nconnection: close" in head.lower():
            self.reopen()
        return int(head[9:12])


def schedule(rate: float, seconds: float) -> list[float]:
    """Return when each request is due, in seconds from the start."""
    distances = random.Random(_SEED)
    due = [0.0]
    while due[-1] < seconds:
        due.append(due[-1] + distances.expovariate(rate))
    return due[:-1]


class OpenLoop:
    """One run: sends each request when it is due, and receives until all are answered."""

    def __init__(self, port: int, *, first_number: int, due: list[float]) -> None:
        self._idle = deque(Client(port) for _ in range(CONNECTIONS))
        self._busy: set[Client] = set()
        self._due = due
        self._first_number = first_number
        self._latencies_s: list[float] = []
        self._statuses: Counter[int] = Counter()
        self._sent = 0

    def run(self) -> Outcome:
        begin = time.perf_counter()
        due = [begin + each for each in self._due]
        end = due[-1] + GIVE_UP_AFTER_S
        while (self._sent < len(due) or self._busy) and (now := time.perf_counter()) < end:
            while self._idle and self._sent < len(due) and due[self._sent] <= now:
                self._send(due[self._sent])
            self._receive(self._pause_s(due, end))
        return self._outcome(time.perf_counter() - begin)

    def _pause_s(self, due: list[float], end: float) -> float:
        """Return for how long to wait: until the next request is due, if a connection is idle."""
        next_due = due[self._sent] if self._idle and self._sent < len(due) else end
        return max(0.0, next_due - time.perf_counter())

    def _send(self, due: float) -> None:
        client = self._idle.popleft()  # The one that was idle longest, so that none is idle long.
        client.send(request(self._first_number + self._sent), due)
        self._busy.add(client)
        self._sent += 1

    def _receive(self, within_s: float) -> None:
        for client in select(self._busy, [], [], within_s)[0]:
            status = client.status()
            if status is None:
                continue
            self._latencies_s.append(time.perf_counter() - client.due)
            self._statuses[status] += 1
            self._busy.remove(client)
            self._idle.append(client)

    def _outcome(self, took_s: float) -> Outcome:
        return Outcome(
            first_number=self._first_number,
            sent=self._sent,
            refused=self._statuses.total() - self._statuses[200],
            unanswered=len(self._busy),
            unsent=len(self._due) - self._sent,
            took_s=took_s,
            cpu_s=time.process_time(),
            latencies_ms=_percentiles_ms(self._latencies_s),
        )


def _percentiles_ms(latencies_s: list[float]) -> dict[str, float]:
    if len(latencies_s) < 2:
        return {}
    thousandths = quantiles(latencies_s, n=1000, method="inclusive")
    found = {"p50": thousandths[499], "p90": thousandths[899], "p99": thousandths[989]}
    found |= {"p999": thousandths[998], "max": max(latencies_s)}
    return {name: round(value * 1000, 3) for name, value in found.items()}


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--first-number", type=int, default=0, help="see bench/wire/traffic.py")
    given = parser.parse_args()
    # The load must not wait for the database on the same core. Only root may do this.
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    due = schedule(given.rate, given.seconds)
    try:
        outcome = OpenLoop(given.port, first_number=given.first_number, due=due).run()
    except OSError as error:
        sys.exit(f"open_loop: port {given.port} can't be reached: {error.strerror or error}.")
    sys.stdout.write(json.dumps(asdict(outcome)) + "\n")


if __name__ == "__main__":
    main()
