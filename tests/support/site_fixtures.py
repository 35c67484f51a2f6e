"""What the tests of shops on sites of their own are given. Asked for with `pytest_plugins`.

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
    """A browser that finds the sites. Its parameter is which of the tracker's cookies it takes:

    `@pytest.mark.parametrize("shopping", ["partitioned", "none"], indirect=True)`
    """
    with launched_for(sites, cookies=request.param) as browser:
        yield browser


@pytest.fixture
def visitor(shopping: Browser, sites: Sites, complaints: Complaints) -> Iterator[BrowserContext]:
    """A new visitor: no cookies yet. The front answers normally, and has seen nothing."""
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
    """The visitor's only tab goes to a shop's blank page: `open_shop("shop-a")`."""
    tab = visitor.new_page()

    def go(shop: str, port: str = "") -> Page:
        tab.goto(f"{sites.url(shop)}{port}/")
        return tab

    return go
