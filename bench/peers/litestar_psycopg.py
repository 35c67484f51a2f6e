"""Litestar and psycopg 3: a msgspec struct, a pool, one statement that upserts cart and item."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID, uuid4

from litestar import Litestar, Response, post
from litestar.datastructures import State
from litestar.params import Parameter
from msgspec import Meta, Struct
from psycopg_pool import AsyncConnectionPool

COOKIE_MAX_AGE_S = 31_536_000
UPSERT = """
WITH kept AS (
    INSERT INTO cart (id) VALUES (%(cart_id)s) ON CONFLICT (id) DO NOTHING
)
INSERT INTO item (cart_id, product_id, name, price)
VALUES (%(cart_id)s, %(product_id)s, %(name)s, %(price)s)
ON CONFLICT (cart_id, product_id) DO UPDATE SET name = excluded.name, price = excluded.price
"""


class Item(Struct):
    product_id: Annotated[str, Meta(min_length=1, max_length=255)]
    name: Annotated[str, Meta(max_length=1000)]
    price: Annotated[int, Meta(ge=0)]
    cart_id: UUID | None = None


class Added(Struct):
    cart_id: UUID


@asynccontextmanager
async def database(app: Litestar) -> AsyncIterator[None]:
    async with AsyncConnectionPool(
        os.environ["DATABASE_URL"],
        # As many as the load has connections. With 4 or 10, it accepts less.
        min_size=16,
        max_size=16,
        # The statement is prepared at its first use, and is a transaction of its own.
        kwargs={"autocommit": True, "prepare_threshold": 0},
    ) as pool:
        app.state.pool = pool
        yield


@post("/items", status_code=200)
async def add(
    data: Item,
    state: State,
    known_as: Annotated[UUID | None, Parameter(cookie="cart_id")] = None,
) -> Response[Added]:
    cart_id = known_as or data.cart_id or uuid4()
    values = {
        "cart_id": cart_id,
        "product_id": data.product_id,
        "name": data.name,
        "price": data.price,
    }
    async with state.pool.connection() as connection:
        await connection.execute(UPSERT, values)
    response = Response(Added(cart_id))
    response.set_cookie(
        "cart_id", str(cart_id), max_age=COOKIE_MAX_AGE_S, httponly=True, samesite="lax"
    )
    return response


app = Litestar([add], lifespan=[database], openapi_config=None)
