"""Helpers for the tests of refusals."""

from pathlib import Path

from tracker.operations.refusal_record import Refusal, Wrong
from tracker.operations.refusals import collect

SHOP = "https://shop.example"
STRANGER = "https://stranger.example"


def files(var_dir: Path) -> list[Path]:
    """Return the files, one for each process that has refused something."""
    return sorted((var_dir / "refusals").glob("*.json"))


def counted() -> dict[tuple[str, str], int]:
    """Count refused requests by code and origin, of all processes."""
    return {(each.code, each.origin): each.requests for each in collect().counts}


def refusal(origin: str = SHOP, code: str = "blank", value: str | None = None) -> Refusal:
    return Refusal(1_700_000_000, 400, [Wrong(code, "/product_id", value)], origin=origin)
