"""What a database of a running service holds."""

import sqlite3
from typing import Any

import psycopg2


def stored(url: str) -> dict[tuple[str, str], tuple[Any, Any]]:
    """{(cart, product): (name, price)} as the database has it; fails on a repeated pair."""
    rows = ask(
        url,
        "SELECT replace(CAST(cart_id AS text), '-', ''), product_id, name, price FROM tracker_item",
    )
    items = {(cart, product): (name, price) for cart, product, name, price in rows}
    assert len(items) == len(rows)
    return items


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Of another database than the tests' own."""
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"))
    else:
        connection = psycopg2.connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())
    finally:
        connection.close()
