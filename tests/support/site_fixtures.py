"""Fixtures for tests of shops on their own sites. Asked for with `pytest_plugins`.

Together with `tests.support.browser_fixtures`, which skips them where there is no Chromium.
"""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browser import PATIENCE_MS, Complaints
from tests.support.sites import Sites, launched_for


@pytest.fixture(scope="module")
def sites(new_database: Callable[[], str]) -> Iterator[Sites]:
    running = Sites(new_database())
    yield running
    running.close()


@pytest.fixture(scope="module", params=["all"])
def shopping(sites: Sites, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Start a browser that finds the sites. The parameter says which cookies it accepts:

    `@pytest.mark.parametrize("shopping", ["partitioned", "none"], indirect=True)`
    """
    with launched_for(sites, cookies=request.param) as browser:
        yield browser


@pytest.fixture
def visitor(shopping: Browser, sites: Sites, complaints: Complaints) -> Iterator[BrowserContext]:
    """Make a new visitor without cookies. The front answers normally, and has seen nothing."""
    context = shopping.new_context()
    context.set_default_timeout(PATIENCE_MS)
    complaints.listen(context)
    sites.front.normal()
    sites.front.forget()
    yield context
    sites.front.normal()
    context.close()


@pytest.fixture
def open_shop(visitor: BrowserContext, sites: Sites) -> Callable[..., Page]:
    """Open a shop's blank page in the visitor's only tab: `open_shop("shop-a")`."""
    tab = visitor.new_page()

    def go(shop: str, port: str = "") -> Page:
        tab.goto(f"{sites.url(shop)}{port}/")
        return tab

    return go
