"""For tests of commands. A pytest plugin: name it in `pytest_plugins`, do not import it."""

import pytest

from tracker.models import Tally


@pytest.fixture
def shared_database(transactional_db: None) -> None:
    """An empty one with real commits: other connections see them, and VACUUM can be run.

    SQLite's tables have been emptied row by row, and its triggers have counted that.
    """
    Tally.objects.all().delete()
