"""Serve the empty view with our server: `python -m bench.in_process.empty PORT`."""

import asyncio
import gc
import os
import sys

import uvloop
from django.core.wsgi import get_wsgi_application


async def _serve(port: int) -> None:
    """Serve as core/server/worker.py does, but without a graceful stop."""
    application = get_wsgi_application()
    from core.server.dispatcher import Dispatcher

    dispatcher = Dispatcher(
        application,
        inline_paths=frozenset({"/items"}),
        threads=1,
        max_upload_bytes=16_384,
    )
    gc.collect()
    gc.freeze()
    server = await asyncio.get_running_loop().create_server(dispatcher, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.in_process.empty.settings")
    uvloop.run(_serve(int(sys.argv[1])))
