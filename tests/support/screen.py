"""A page of the live view, without a browser."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tracker.adds import Add, Record
from tracker.rows import merge as store

CART, OTHER = UUID(int=1, version=4), UUID(int=2, version=4)
SECOND = 10**9


def ago(seconds: float) -> int:
    """Return the version of a time in the past."""
    return int((timezone.now() - timedelta(seconds=seconds)).timestamp() * 10**6) * 1000


def add(product_id: str, at: int, *, cart_id: UUID = CART, **members: Any) -> None:
    """Merge an add now, whenever it was accepted."""
    store.merge([Record(Add(cart_id, product_id, **members), at)])


class Screen:
    """A page that polls. It shows each item once, with its newest add, as live.js does."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.mark = ""
        self.rows: dict[str, dict[str, str]] = {}

    def look(self) -> list[str]:
        """Poll. Return the product ids of what was not shown before."""
        found = self.client.get(reverse("admin:live_adds"), {"after": self.mark})
        if found.status_code == 304:
            assert found.content == b""
            return []
        answer = found.json()
        self.mark = answer["mark"]
        new = [row for row in answer["adds"] if self._is_new(row)]
        self.rows |= {row["id"]: row for row in new}
        return [row["product"] for row in new]

    def _is_new(self, row: dict[str, str]) -> bool:
        return row["id"] not in self.rows or row["at"] > self.rows[row["id"]]["at"]

    def status(self) -> int:
        return self.client.get(reverse("admin:live_adds"), {"after": self.mark}).status_code
