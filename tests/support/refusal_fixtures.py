"""What the tests of refusals are given. A test module asks for it with `pytest_plugins`."""

from pathlib import Path
from typing import Any

import pytest

from tracker.operations import refusals


@pytest.fixture
def var_dir(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in a process that has just begun; after the first, it writes only when it is told to."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(refusals, "WRITE_EVERY_S", 3600)
    monkeypatch.setattr(refusals, "_log", refusals.RefusalLog())
    monkeypatch.setattr(refusals._pending, "refusal", None)
    return tmp_path
