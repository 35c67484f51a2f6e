"""The request that is profiled, as a server would hand it to the WSGI callable, and its answer."""

import sys
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

from core.public import WsgiApplication
from middleware.cart_id import COOKIE_NAME


class Answer(NamedTuple):
    status: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Post:
    """A POST /items: its body, and the cart of its cookie; None sends no cookie."""

    body: bytes
    cart_id: UUID | None

    def environ(self) -> dict[str, Any]:
        """Anew for each request, because the application keeps it and reads its body."""
        headers = {_in_wsgi(name): text for name, text in self.headers().items()}
        return {**SERVER, **headers, "wsgi.input": BytesIO(self.body)}

    def headers(self) -> dict[str, str]:
        """As a page of a storefront sends them, by way of the proxy if there is one."""
        headers = {"Cookie": f"{COOKIE_NAME}={self.cart_id}"} if self.cart_id else {}
        headers |= {
            "Host": _host(),
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
        }
        if settings.STOREFRONT_ORIGINS:
            headers["Origin"] = min(settings.STOREFRONT_ORIGINS)
        if settings.BEHIND_TLS:
            headers["X-Forwarded-Proto"] = "https"
        return headers


def _in_wsgi(header: str) -> str:
    name = header.upper().replace("-", "_")
    return name if name.startswith("CONTENT_") else f"HTTP_{name}"


def ask(application: WsgiApplication, environ: dict[str, Any]) -> Answer:
    """The answer, read and closed as a server does it."""
    started: list[Any] = []
    response = application(environ, lambda *args: started.extend(args))
    body = b"".join(response)
    if hasattr(response, "close"):
        response.close()
    status, headers = started
    return Answer(status, dict(headers), body)


# What a server says of every request, as WSGI has it.
SERVER: dict[str, Any] = {
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
}


def _host() -> str:
    """One that the settings allow: `.shop.example` allows its own domain, `*` any."""
    name = next(iter(settings.ALLOWED_HOSTS), "localhost").removeprefix(".")
    return "localhost" if name == "*" else name
