"""Fixtures for the tests of refusals. A test module asks for them with `pytest_plugins`."""

from pathlib import Path
from typing import Any

import pytest

from tracker.operations import refusals


@pytest.fixture
def var_dir(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reset the log to that of a new process. After the first write it writes only if told to."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(refusals, "WRITE_EVERY_S", 3600)
    monkeypatch.setattr(refusals, "_log", refusals.RefusalLog())
    monkeypatch.setattr(refusals._pending, "refusal", None)
    return tmp_path
