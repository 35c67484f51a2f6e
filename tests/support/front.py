"""A TLS proxy in front of the tracker, which also serves the pages of shops by host name."""

import base64
import hashlib
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from email.message import Message
from http import HTTPStatus
from http.client import HTTPResponse, parse_headers
from io import BytesIO
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from tests.support.live import Reply, wait_for


class Certificate:
    """A certificate of a new key. With `spki` Chromium trusts this key and no other."""

    def __init__(self, directory: Path) -> None:
        self.file, self.key = directory / "certificate.pem", directory / "key.pem"
        self._openssl(
            "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=test"
            f" -addext subjectAltName=DNS:*.test,IP:127.0.0.1 -keyout {self.key} -out {self.file}"
        )
        public = self._openssl(f"pkey -in {self.key} -pubout -outform DER")
        self.spki = base64.b64encode(hashlib.sha256(public).digest()).decode()

    def _openssl(self, words: str) -> bytes:
        command = ["openssl", *words.split()]
        return subprocess.run(command, check=True, capture_output=True).stdout


PATIENCE_S = 20
# What a browser asks of every site by itself.
ICON = "/favicon.ico"
# As the tracker writes it (R8).
_COOKIE = "cart_id={}; HttpOnly; Max-Age=31536000; Partitioned; Path=/; SameSite=None; Secure"
_A_CART = re.compile(rb'cart_id(?:=|"\s*:\s*")([0-9a-f-]{36})')
_HOP_BY_HOP = ("connection:", "keep-alive:")

Fault = int | Literal["", "refuse", "lose", "hold"]


class Asked(NamedTuple):
    """A request as it arrived. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Front:
    """A front on `port` of 127.0.0.1, with one request for each connection.

    Requests for `tracker_host` go to the tracker, with the headers that a proxy changes; the answer
    comes back byte for byte. `seen` has all requests, also those that were not passed on; `replies`
    has the answers in their order.
    """

    def __init__(self, certificate: Certificate, tracker_host: str, tracker_port: int) -> None:
        self.seen: list[Asked] = []
        self.replies: list[tuple[Asked, Reply]] = []
        # (host, path) -> what a shop's server answers.
        self.pages: dict[tuple[str, str], tuple[str, Mapping[str, str]]] = {}
        self.tracker_host = tracker_host
        self._behind = ("127.0.0.1", tracker_port)
        self._fault: Fault = ""
        self._released = threading.Event()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate.file, certificate.key)
        self._server = _Listening(("127.0.0.1", 0), _Client)
        self._server.front = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        self._thread.start()

    def close(self) -> None:
        self.normal()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    # -- How the tracker answers a POST from now on ------------------------------------------------

    def normal(self) -> None:
        """Pass requests on."""
        self._set("")

    def fail_with(self, status: int) -> None:
        """Answer with this status in the tracker's form. Nothing is stored."""
        self._set(status)

    def refuse(self) -> None:
        """Close every connection without an answer. Nothing is stored."""
        self._set("refuse")

    def lose_answers(self) -> None:
        """Pass requests on, but close the connection before the answer."""
        self._set("lose")

    def hold(self) -> None:
        """Pass requests on, but hold the answers until the next change."""
        self._released.clear()
        self._fault = "hold"

    def _set(self, fault: Fault) -> None:
        self._fault = fault
        self._released.set()

    # -- What was seen -----------------------------------------------------------------------------

    def methods(self, path: str = "/items") -> list[str]:
        """Return the methods of all requests to the tracker at this path."""
        return [asked.method for asked in self.seen if asked.path == path]

    def bodies(self, path: str = "/items") -> list[Any]:
        """Return the JSON bodies of all POSTs there."""
        found = [asked.body for asked in self.seen if (asked.method, asked.path) == ("POST", path)]
        return [json.loads(body) for body in found]

    def wait_for_posts(self, count: int, path: str = "/items") -> None:
        wait_for(lambda: self.methods(path).count("POST") >= count)

    def forget(self) -> None:
        self.seen.clear()
        self.replies.clear()

    # -- One request -------------------------------------------------------------------------------

    def answer(self, head: bytes, body: bytes, *, client: str) -> bytes | None:
        """Return the answer's bytes, or None for no answer."""
        line, _, rest = head.partition(b"\r\n")
        method, path, _ = line.decode("latin-1").split(" ")
        headers = {name.lower(): value for name, value in _headers(rest).items()}
        asked = Asked(method, path, headers, body)
        if headers.get("host") != self.tracker_host or path == ICON:
            return self._page(headers.get("host", ""), path)
        self.seen.append(asked)
        raw = self._of_tracker(asked, _proxied(head, client) + body)
        if raw is not None:
            self.replies.append((asked, _parsed(raw, method)))
        return raw

    def _page(self, host: str, path: str) -> bytes:
        """Answer as a shop's server, with a blank page and an icon at its root."""
        found = self.pages.get((host, path.partition("?")[0]))
        if found is None and path not in ("/", ICON):
            return _written(404, {}, b"")
        html, headers = found or (f"<!doctype html><title>{host}</title>", {})
        return _written(200, {"Content-Type": "text/html; charset=utf-8", **headers}, html.encode())

    def _of_tracker(self, asked: Asked, raw: bytes) -> bytes | None:
        fault = self._fault
        if fault == "refuse":
            return None
        if asked.method != "POST" or not fault:
            return self._pass_on(raw)
        if isinstance(fault, int):
            return _failure(fault, asked)
        answer = self._pass_on(raw)
        self._released.wait(PATIENCE_S)
        return None if fault == "lose" else answer

    def _pass_on(self, raw: bytes) -> bytes:
        with socket.create_connection(self._behind, PATIENCE_S) as tracker:
            tracker.sendall(raw)
            with tracker.makefile("rb") as answer:
                return answer.read()


class _Listening(ThreadingTCPServer):
    """A thread for each client. `hang_up` ends those that wait in vain."""

    front: Front

    def __init__(self, *args: Any) -> None:
        self.clients: set[Any] = set()
        super().__init__(*args)

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        plain, address = super().get_request()
        # The handshake is the thread's: it would keep the others waiting here.
        client = self.front.tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.clients.add(client)
        return client, address

    def shutdown_request(self, request: Any) -> None:
        self.clients.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for client in list(self.clients):
            with suppress(OSError):
                socket.socket.shutdown(client, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that browsers open in advance and drop. Report all other errors."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Client(StreamRequestHandler):
    """A connection: TLS, one request, one answer."""

    server: _Listening

    def setup(self) -> None:
        self.request.do_handshake()
        super().setup()

    def handle(self) -> None:
        head = b""
        while (line := self.rfile.readline()) != b"\r\n":
            if not line:
                return  # It has nothing to ask after all.
            head += line
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        body = self.rfile.read(int(length[1])) if length else b""
        answer = self.server.front.answer(head, body, client=self.client_address[0])
        if answer is not None:
            self.wfile.write(answer)


def _headers(lines: bytes) -> Message:
    return parse_headers(BytesIO(lines + b"\r\n"))


def _proxied(head: bytes, client: str) -> bytes:
    """Return the head that the tracker gets, with the headers of a proxy."""
    lines = head.decode("latin-1").removesuffix("\r\n").split("\r\n")
    kept = [line for line in lines if not line.lower().startswith(_HOP_BY_HOP)]
    added = ["X-Forwarded-Proto: https", f"X-Forwarded-For: {client}", "Connection: close", "", ""]
    return "\r\n".join(kept + added).encode("latin-1")


class _Received:
    """Bytes from a connection, for http.client to read."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> BytesIO:
        return BytesIO(self._raw)


def _parsed(raw: bytes, method: str) -> Reply:
    response = HTTPResponse(_Received(raw), method=method)  # type: ignore[arg-type]
    response.begin()
    return Reply(response.status, dict(response.getheaders()), response.read())


def _failure(status: int, asked: Asked) -> bytes:
    """Answer as the tracker does when it fails.

    With problem+json, the CORS headers, and on 503 the cookie and the time to wait (R7, R31-R33).
    """
    text = "The front fails on purpose."
    fault = {"pointer": "", "code": "unavailable", "detail": text}
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "detail": text}
    headers = {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        "Vary": "Origin",
    }
    if origin := asked.headers.get("origin"):
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Allow-Credentials"] = "true"
        headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-ID"
    if status == 503:
        known = _A_CART.search(asked.headers.get("cookie", "").encode() + b";" + asked.body)
        headers["Set-Cookie"] = _COOKIE.format(known[1].decode() if known else uuid4())
        headers["Retry-After"] = "2"
    return _written(status, headers, json.dumps({**problem, "errors": [fault]}).encode())


def _written(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
