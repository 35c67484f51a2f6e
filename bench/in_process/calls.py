"""Run one subject of bench/in_process/__main__.py: each input line is a number of calls."""

import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from itertools import cycle
from time import perf_counter, process_time_ns
from typing import Any
from uuid import UUID

import django
from django.core.wsgi import get_wsgi_application

from tracker.intake.selection import current_intake

CARTS = [UUID(f"6f0c2d38-6e2b-4ad5-9a3c-{number:012x}") for number in range(1000)]
BODIES = [
    b'{"product_id": "sku-%d", "name": "Blue socks, pair %d", "price": %d}' % ((number,) * 3)
    for number in range(1000)
]
ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "POST",
    "PATH_INFO": "/items",
    "QUERY_STRING": "",
    "SCRIPT_NAME": "",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8000",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_ACCEPT": "*/*",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "HTTP_HOST": "127.0.0.1:8000",
    "HTTP_ORIGIN": "https://shop.example",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "CONTENT_TYPE": "application/json",
}

Call = Callable[[int], object]


def _environs() -> list[dict[str, Any]]:
    return [
        {
            **ENVIRON,
            "HTTP_COOKIE": f"theme=dark; cart_id={cart}; lang=en",
            "CONTENT_LENGTH": str(len(body)),
        }
        for cart, body in zip(CARTS, BODIES, strict=True)
    ]


def nothing() -> Call:
    """Do only what every subject does for a call."""
    environs = _environs()

    def call(number: int) -> object:
        environ = environs[number].copy()
        environ["wsgi.input"] = BytesIO(BODIES[number])
        return environ

    return call


def application() -> Call:
    """Send a request through the WSGI callable; read and close its answer as a server does."""
    empty = os.environ["DJANGO_SETTINGS_MODULE"] == "bench.in_process.empty.settings"
    wsgi: Any = get_wsgi_application() if empty else import_module("core.wsgi").application
    environs = _environs()

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        if status != "200 OK":
            sys.exit(f"bench: {status}")

    def call(number: int) -> object:
        environ = environs[number].copy()
        environ["wsgi.input"] = BytesIO(BODIES[number])
        response = wsgi(environ, start_response)
        body = b"".join(response)
        if hasattr(response, "close"):
            response.close()
        return body

    return call


def cart_id() -> Call:
    from tracker.endpoint.cart import _from_cookies

    headers = [environ["HTTP_COOKIE"] for environ in _environs()]
    return lambda number: _from_cookies(headers[number])


def body() -> Call:
    from tracker.endpoint.body import _decode
    from tracker.endpoint.payload import parse_add

    return lambda number: parse_add(CARTS[number], _decode(BODIES[number]))


def cookie() -> Call:
    from tracker.endpoint.cart import cart_id_cookie

    return lambda number: cart_id_cookie(CARTS[number], secure=True).output()


def accept() -> Call:
    from tracker.adds import Add

    return lambda number: current_intake().accept(
        Add(CARTS[number], f"sku-{number}", "Blue socks", number)
    )


def metrics() -> Call:
    from tracker.counters import count_accepted

    def call(number: int) -> None:
        count_accepted(perf_counter())

    return call


SUBJECTS: dict[str, Callable[[], Call]] = {
    each.__name__: each for each in (nothing, application, cart_id, body, cookie, accept, metrics)
}


def main() -> None:
    if sys.argv[1] != "nothing":
        django.setup()
    call = SUBJECTS[sys.argv[1]]()
    numbers = cycle(range(len(BODIES)))
    gc.collect()
    gc.freeze()  # As workers do.
    for line in sys.stdin:
        begin = process_time_ns()
        for _ in range(int(line)):
            call(next(numbers))
        print(process_time_ns() - begin, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
