"""The migrations can be taken back and made again."""

from collections.abc import Callable

from tests.conftest import migrate


def test_the_tables_go_and_come_back(new_database: Callable[[], str]) -> None:
    url = new_database()
    migrate(url, "tracker", "zero")
    migrate(url)
