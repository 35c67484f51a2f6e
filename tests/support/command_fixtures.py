"""Fixtures for tests of commands. A test module asks for them with `pytest_plugins`."""

import pytest

from tracker.models import Tally


@pytest.fixture
def shared_database(transactional_db: None) -> None:
    """Give an empty database with real commits: other connections see them.

    SQLite's tables have been emptied row by row, and its triggers have counted that.
    """
    Tally.objects.all().delete()
