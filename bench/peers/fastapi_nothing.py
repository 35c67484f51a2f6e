"""FastAPI that checks the item, answers, and stores nothing."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Cookie, FastAPI, Response
from pydantic import BaseModel, Field

COOKIE_MAX_AGE_S = 31_536_000

app = FastAPI()


class Item(BaseModel):
    product_id: str = Field(min_length=1, max_length=255)
    name: str = Field(max_length=1000)
    price: int = Field(ge=0)
    cart_id: UUID | None = None


class Added(BaseModel):
    cart_id: UUID


@app.post("/items")
async def add(
    item: Item, response: Response, cart_id: Annotated[UUID | None, Cookie()] = None
) -> Added:
    cart_id = cart_id or item.cart_id or uuid4()
    response.set_cookie(
        "cart_id", str(cart_id), max_age=COOKIE_MAX_AGE_S, httponly=True, samesite="lax"
    )
    return Added(cart_id=cart_id)
