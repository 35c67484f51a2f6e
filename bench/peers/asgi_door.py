"""Our WSGI application behind an ASGI server: what `bench.servers` puts behind each of them.

It does as little as possible: the body is read, the environ made, and the application called on the
event loop, because with the journal it waits for nothing.
"""

import sys
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from core.wsgi import application

_KEYS: dict[bytes, str] = {}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer one request (ASGI 3, HTTP)."""
    if scope["type"] != "http":
        return  # Lifespan: nothing is to be started.
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    started: list[Any] = []
    parts = application(_environ(scope, body), lambda *args: started.extend(args))
    status, headers = started[0], started[1]
    await send(
        {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [
                (name.lower().encode(), value.encode("latin-1")) for name, value in headers
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"".join(parts)})


def _environ(scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"],
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": scope["client"][0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        environ[_KEYS.get(name) or _key(name)] = value.decode("latin-1")
    return environ


def _key(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    if len(_KEYS) < 100:
        _KEYS[name] = key
    return key
