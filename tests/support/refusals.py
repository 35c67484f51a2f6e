"""Fixtures and helpers for the tests of refusals."""

from pathlib import Path
from typing import Any

import pytest

from tracker.operations import refusals
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


@pytest.fixture
def var_dir(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reset the log to that of a new process. After the first write it writes only if told to."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(refusals, "WRITE_EVERY_S", 3600)
    monkeypatch.setattr(refusals, "_log", refusals.RefusalLog())
    monkeypatch.setattr(refusals._pending, "refusal", None)
    return tmp_path
