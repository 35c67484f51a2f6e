"""Helpers for the tests of the export."""

import csv
import io
import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from tests.support.live import ROOT
from tracker.adds import Add, Record
from tracker.console.models import AuditEntry
from tracker.models import Cart, Item
from tracker.rows import merge as store

TWINS = [UUID(f"7715c0de-0000-4000-8000-00000000000{number}") for number in (1, 2)]
LISTS: dict[str, Any] = {"carts": Cart, "items": Item}


def add(cart_id: UUID, product_id: str, *, hours: float = 0, **members: Any) -> Record:
    version = time.time_ns() - int(timedelta(hours=hours).total_seconds()) * 10**9
    return Record(Add(cart_id, product_id, **members), version)


def fill(count: int, **members: Any) -> list[UUID]:
    """Make this many carts of one item each, the oldest first."""
    carts = [uuid4() for _ in range(count)]
    ages = range(count, 0, -1)
    store.merge(add(each, "a", hours=age, **members) for each, age in zip(carts, ages, strict=True))
    return carts


def account(group: str = "Support lead", **more: Any) -> Client:
    user = User.objects.create_user(f"{group}-{len(more)}", is_staff=True, **more)
    user.groups.set(Group.objects.filter(name=group))
    client = Client()
    client.force_login(user)
    return client


def address(name: str, query: str = "") -> str:
    return reverse("admin:export", args=[name]) + (query and f"?{query}")


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def keys(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    return sorted((row["cart_id"], row.get("product_id", "")) for row in rows)


def exported(client: Client, name: str, query: str = "") -> list[dict[str, str]]:
    reply: Any = client.post(address(name, query))
    assert reply.status_code == 200, reply.content
    return read(reply.getvalue())


def audited() -> list[str]:
    return list(
        AuditEntry.objects.filter(action="exported").order_by("id").values_list("detail", flat=True)
    )


def python(url: str, code: str, **env: str) -> str:
    """Run code with these helpers in another process on that database. Return its output."""
    begin = "import django; django.setup(); from tests.support.exports import *; "
    settings = {"DJANGO_SETTINGS_MODULE": "core.settings", "DATABASE_URL": url}
    command = [sys.executable, "-c", begin + code]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings | env, check=True, stdout=subprocess.PIPE
    )
    return done.stdout.decode().strip()
