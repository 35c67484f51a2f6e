"""FastAPI and asyncpg: a pydantic model, a pool, one statement that upserts cart and item."""

import os
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
from fastapi import Cookie, FastAPI, Request, Response
from pydantic import BaseModel, Field

COOKIE_MAX_AGE_S = 31_536_000
UPSERT = """
WITH kept AS (
    INSERT INTO cart (id) VALUES ($1) ON CONFLICT (id) DO NOTHING
)
INSERT INTO item (cart_id, product_id, name, price) VALUES ($1, $2, $3, $4)
ON CONFLICT (cart_id, product_id) DO UPDATE SET name = excluded.name, price = excluded.price
"""


async def skip_reset(connection):
    """Do nothing. No statement here changes a connection's state, and a reset is a round trip."""


@asynccontextmanager
async def lifespan(app: FastAPI):
    # As many as the load has connections. With 4 or 10, it accepts as much or less.
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=16, max_size=16, reset=skip_reset
    ) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    product_id: str = Field(min_length=1, max_length=255)
    name: str = Field(max_length=1000)
    price: int = Field(ge=0)
    cart_id: UUID | None = None


class Added(BaseModel):
    cart_id: UUID


@app.post("/items")
async def add(
    item: Item,
    request: Request,
    response: Response,
    cart_id: Annotated[UUID | None, Cookie()] = None,
) -> Added:
    cart_id = cart_id or item.cart_id or uuid4()
    await request.app.state.pool.execute(UPSERT, cart_id, item.product_id, item.name, item.price)
    response.set_cookie(
        "cart_id", str(cart_id), max_age=COOKIE_MAX_AGE_S, httponly=True, samesite="lax"
    )
    return Added(cart_id=cart_id)
