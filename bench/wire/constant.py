"""Give a fixed answer to every request: the most that any HTTP server in Python can do here.

It uses httptools and uvloop, as core/server does, and nothing else. Start it with
`python -m bench.wire.constant PORT`.
"""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

_BODY = b'{"cart_id": "00000000-cafe-4000-8000-000000000000"}'
_REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
    + _BODY
)


class Constant(asyncio.Protocol):
    """One connection. It parses each request, as every server must to know where it ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(_REPLY)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
