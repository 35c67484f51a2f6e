"""/docs in a real browser: for everybody, on every screen, and its form with DEBUG."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import NARROW, PATIENCE_MS, WIDE, Complaints
from tests.live import Server
from tests.test_console_browser_pages import LOOKS, barriers, is_too_wide, settle

pytest_plugins = ["tests.browser_fixtures"]
pytestmark = [pytest.mark.browser, pytest.mark.once]

Open = Callable[..., Page]
OPEN_ALL = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
# What is like what comes before it takes axe ten times as long, and says nothing more.
ALIKE = "article:not(#addItem), #addItem .answer:nth-of-type(n+4), tr[id]:nth-child(n+4)"
LEAVE_OUT = "(places) => document.querySelectorAll(places).forEach((each) => each.remove())"
ONLY_THE_FORM = "document.querySelector('main').replaceChildren(document.forms[0])"
HIDE = "(toolbar) => toolbar.style.setProperty('display', 'none', 'important')"


@pytest.fixture(scope="module")
def debugging(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]
) -> Iterator[Server]:
    """A server as developers have it."""
    var_dir = str(tmp_path_factory.mktemp("var"))
    env = {"DATABASE_URL": new_database(), "INTAKE_URL": "database://", "VAR_DIR": var_dir}
    server = Server(env={**env, "DEBUG": "1"})
    yield server
    server.stop()


@pytest.fixture
def open_page(chromium: Browser, complaints: Complaints) -> Iterator[Open]:
    """`open_page(server, "#addItem")`; keywords are for the browser's new profile."""
    contexts: list[BrowserContext] = []

    def of(server: Server, place: str = "", *, scripts: bool = True) -> Page:
        context = chromium.new_context(java_script_enabled=scripts, reduced_motion="reduce")
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        complaints.listen(context)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/docs{place}")
        return page

    yield of
    for context in contexts:
        context.close()


def widths_that_are_too_small(page: Page) -> list[int]:
    found = []
    for width in (WIDE, NARROW):
        settle(page, width, "light")
        found += [width] if is_too_wide(page) else []
    return found


def barriers_in_all_looks(page: Page) -> list[str]:
    found = []
    for width, scheme, options in LOOKS:
        settle(page, width, scheme)
        found += [f"{width} {scheme} {each}" for each in barriers(page, options)]
    return found


def test_it_is_there_for_everybody(open_page: Open, live: Server) -> None:
    page = open_page(live)
    page.evaluate(OPEN_ALL)
    assert widths_that_are_too_small(page) == []
    page.evaluate(LEAVE_OUT, ALIKE)
    assert barriers_in_all_looks(page) == []


def test_it_is_read_without_scripts(open_page: Open, live: Server) -> None:
    answer = open_page(live, scripts=False).locator("#addItem-400")
    expect(answer.get_by_text("application/problem+json")).to_be_hidden()
    answer.get_by_text("Headers and body").click()
    expect(answer.get_by_text("application/problem+json")).to_be_visible()


def test_an_address_leads_to_its_place(open_page: Open, live: Server) -> None:
    page = open_page(live, "#addItem-503")
    expect(page.locator("#addItem-503")).to_be_in_viewport()
    page.locator("#addItem-400 summary").click()
    page.locator("#addItem-400").get_by_role("link", name="not_an_integer").click()
    expect(page.locator("#code-not_an_integer")).to_be_in_viewport()


def test_the_form_is_there_for_everybody(open_page: Open, debugging: Server) -> None:
    page = open_page(debugging)
    page.locator("#djDebug").evaluate(HIDE)
    assert widths_that_are_too_small(page) == []
    page.evaluate(ONLY_THE_FORM)
    assert barriers_in_all_looks(page) == []


def test_the_form_sends_an_example_and_shows_the_answer(open_page: Open, debugging: Server) -> None:
    page = open_page(debugging, "#addItem")
    page.get_by_label("Example").select_option("What is required")
    expect(page.get_by_label("Body")).to_have_value(re.compile("sku-1017"))
    page.get_by_label("Content type").select_option("text/plain")
    page.get_by_role("button", name="Send").click()
    answer = page.locator("form.try output")
    expect(answer).to_contain_text("200 OK")
    expect(answer).to_contain_text("X-Request-ID: ")
    expect(answer).to_contain_text('"cart_id": "')


def test_the_form_shows_why_a_request_was_refused(
    open_page: Open, debugging: Server, complaints: Complaints
) -> None:
    complaints.expect("status of 400")
    page = open_page(debugging)
    page.get_by_label("Body").fill('{"product_id": "<b>sku-1</b>", "price": "9.99"}')
    page.get_by_role("button", name="Send").click()
    answer = page.locator("form.try output")
    expect(answer).to_contain_text("400 Bad Request")
    expect(answer).to_contain_text('"code": "not_an_integer"')


def test_the_form_tells_that_there_is_no_answer(
    open_page: Open, debugging: Server, complaints: Complaints
) -> None:
    complaints.expect("ERR_INTERNET_DISCONNECTED")
    page = open_page(debugging)
    page.context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("form.try output")).to_contain_text("No answer: ")
