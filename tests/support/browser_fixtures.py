"""Fixtures for tests in a browser. A test module asks for them with `pytest_plugins`."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browser import CHROMIUM, MISSING, Complaints, Console, launched, serving
from tests.support.console_rows import PARTS


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip all of them at this one place, so that they are reported in one line."""
    if CHROMIUM is None and item.get_closest_marker("browser"):
        pytest.skip(MISSING)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def console(
    chromium: Browser,
    tmp_path_factory: pytest.TempPathFactory,
    new_database: Callable[[], str],
) -> Iterator[Console]:
    """Start one server for all tests of a module, with all rows in it."""
    var_dir = str(tmp_path_factory.mktemp("var"))
    with serving(*PARTS, var_dir=var_dir, database_url=new_database()) as running:
        yield running


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Collect complaints. Those that the test does not expect fail it at its end."""
    found = Complaints()
    yield found
    assert found.unexpected() == []


@pytest.fixture
def visit(
    chromium: Browser, console: Console, complaints: Complaints
) -> Iterator[Callable[..., Page]]:
    """Open a window: `visit("/admin/", account="support", width=390, scheme="dark")`."""
    contexts: list[BrowserContext] = []

    def open_page(path: str, account: str = "lead", **look: object) -> Page:
        contexts.append(console.enter(chromium, account, **look))  # type: ignore[arg-type]
        complaints.listen(contexts[-1])
        page = contexts[-1].new_page()
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
