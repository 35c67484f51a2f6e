"""The subjects: ours, its peers, and two references; and the commands that start them.

stage.py fills in the names in braces: `python` (with our packages), `programs` (the directory of
the peers' programs), `port`, `database`, `broker` (host and port of a Valkey) and `directory`
(the subject's own).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["ours", "peer", "reference"]

_OURS = "{python} manage.py serve --workers 1 --no-drain --port {port}"
_DRAIN = "{python} manage.py drain"
# Four threads, as gunicorn's manual advises for one core. With 8 or 16 it accepts as much, with 1
# less; the sync worker, which closes every connection after its answer, accepts a fifth less.
_GUNICORN = (
    "{programs}/gunicorn shop.wsgi --workers 1 --worker-class gthread --threads 4"
    " --keep-alive 75 --bind 127.0.0.1:{port}"
)
_WORKER = "{programs}/django-admin rqworker default --worker-class rq.SimpleWorker"
_UVICORN = (
    "{programs}/uvicorn --loop uvloop --http httptools --no-access-log --log-level warning"
    " --port {port} "
)


@dataclass(frozen=True)
class Subject:
    """One thing to measure. `behind` starts the process that finishes the work after the reply.

    `items` is the table that its items are stored in, "" if it stores nothing.
    """

    name: str
    title: str
    kind: Kind
    serve: str
    behind: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    items: str = ""
    folder: str = "."
    packages: tuple[str, ...] = ()


def _ours(name: str, title: str, intake_url: str, *, behind: str = _DRAIN) -> Subject:
    return Subject(
        name=name,
        title=f"ours, {title}",
        kind="ours",
        serve=_OURS,
        behind=behind,
        env={"DATABASE_URL": "{database}", "INTAKE_URL": intake_url, "VAR_DIR": "{directory}"},
        items="tracker_item",
        packages=("Django", "uvloop", "msgspec"),
    )


def _django(name: str, title: str, module: str, *packages: str, behind: str = "") -> Subject:
    return Subject(
        name=name,
        title=title,
        kind="peer",
        serve=_GUNICORN,
        behind=behind,
        env={
            "DATABASE_URL": "{database}",
            "BROKER_URL": "redis://{broker}/0",
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "PEER": module,
            "PYTHONPATH": ".",
        },
        items="item",
        folder="bench/peers",
        packages=("Django", *packages, "psycopg2-binary", "gunicorn"),
    )


def _asgi(name: str, title: str, app: str, *packages: str, items: str = "item") -> Subject:
    return Subject(
        name=name,
        title=title,
        kind="peer",
        serve=f"{_UVICORN}{app}",
        env={"DATABASE_URL": "{database}"},
        items=items,
        folder="bench/peers",
        packages=(*packages, "uvicorn"),
    )


SUBJECTS = (
    _ours("journal", "journal", "journal://{directory}/journal"),
    _ours("journal-always", "journal, sync=always", "journal://{directory}/journal?sync=always"),
    _ours("valkey", "valkey", "valkey://{broker}/1"),
    _ours("database", "database", "database://", behind=""),
    _django("drf", "DRF, get_or_create + update_or_create", "drf", "djangorestframework"),
    _django("django", "Django, get_or_create + update_or_create", "plain"),
    _django("django-upsert", "Django, bulk_create as upsert", "upsert"),
    _django(
        "django-rq", "Django, write handed to django-rq", "queued", "django-rq", behind=_WORKER
    ),
    _asgi("fastapi", "FastAPI + asyncpg, one upsert", "fastapi_asyncpg:app", "fastapi", "asyncpg"),
    _asgi(
        "litestar",
        "Litestar + psycopg 3, one upsert",
        "litestar_psycopg:app",
        "litestar",
        "psycopg",
    ),
    _asgi("fastapi-nothing", "FastAPI, stores nothing", "fastapi_nothing:app", "fastapi", items=""),
    Subject(
        name="fastify",
        title="Fastify + pg on Node, one upsert",
        kind="peer",
        serve="node server.js",
        env={"DATABASE_URL": "{database}", "PORT": "{port}", "NODE_ENV": "production"},
        items="item",
        folder="bench/peers/node",
        packages=("node", "fastify", "pg"),
    ),
    Subject(
        name="empty-view",
        title="empty Django view on our server",
        kind="reference",
        serve="{python} -m bench.in_process.empty {port}",
        env={"VAR_DIR": "{directory}"},
        packages=("Django", "uvloop"),
    ),
    Subject(
        name="constant",
        title="constant reply, httptools + uvloop",
        kind="reference",
        serve="{python} -m bench.wire.constant {port}",
        packages=("httptools", "uvloop"),
    ),
)
