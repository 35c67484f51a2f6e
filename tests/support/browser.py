"""A real browser at the console of a running server.

The browser is the system's Chromium, or the one that the variable CHROMIUM names. Playwright only
drives it. Errors on a page fail the test that visited it.

Playwright keeps an event loop in this thread for as long as it runs, where Django's models refuse
to work. So rows come from console_rows.py in a process of its own, or through POST /items,
and the browser is gone at a module's end.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.support.console_rows import PARTS
from tests.support.live import ROOT, Server

CHROMIUM = shutil.which(os.environ.get("CHROMIUM") or "chromium")
MISSING = (
    "Chromium is missing, so nothing was tried in a browser. Debian: apt-get install chromium;"
    " elsewhere: CHROMIUM=/path/to/chrome"
)
WIDE, NARROW = 1280, 390
HEIGHT = 800
PATIENCE_MS = 10_000

Scheme = Literal["light", "dark"]

_FLAGS = [
    "--no-sandbox",  # CI runs as root in a container, where Chromium has none.
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Chromium tells of what a policy refuses by itself, but not of what it only reports.
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error("policy violated:", event.violatedDirective, event.blockedURI, event.sample);
});
"""


class Complaints:
    """What a browser reported: errors in scripts, refused content, dialogs, lost requests."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._expected: list[str] = []

    def expect(self, pattern: str) -> None:
        """Expect complaints that contain this text."""
        self._expected.append(pattern)

    def unexpected(self) -> list[str]:
        expected = self._expected
        return [text for text in self.heard if not any(re.search(each, text) for each in expected)]

    def listen(self, context: BrowserContext) -> None:
        context.add_init_script(_REPORT_VIOLATIONS)
        context.on("weberror", lambda error: self.heard.append(f"script: {error.error}"))
        context.on("console", self._console)
        context.on("dialog", self._dialog)
        context.on("requestfailed", self._failed)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.heard.append(f"console: {message.text} ({message.location['url']})")

    def _dialog(self, dialog: Dialog) -> None:
        self.heard.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _failed(self, request: Request) -> None:
        """Ignore the requests that end when a page is left, and downloads, which are not pages."""
        if request.failure != "net::ERR_ABORTED":
            self.heard.append(f"request: {request.method} {request.url}: {request.failure}")


class Console(NamedTuple):
    """A server, and the cookie of a session for each account."""

    server: Server
    sessions: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def enter(
        self, browser: Browser, account: str = "", *, width: int = WIDE, scheme: Scheme = "light"
    ) -> BrowserContext:
        """Open a window with its own profile, in which the account (or nobody) is logged in."""
        context = browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": HEIGHT},
            color_scheme=scheme,
            reduced_motion="reduce",  # Nothing is half-way when it is looked at.
        )
        context.set_default_timeout(PATIENCE_MS)
        if account:
            session = self.sessions[account]
            context.add_cookies([{"name": "sessionid", "value": session, "url": self.url}])
        return context


@contextmanager
def launched() -> Iterator[Browser]:
    """Run a headless Chromium with a new profile until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@contextmanager
def launched_with(preferences: Mapping[str, object], *flags: str) -> Iterator[Browser]:
    """Run it with these preferences in its profile; each context has them, too."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile, sync_playwright() as playwright:
        defaults = Path(profile) / "Default"
        defaults.mkdir()
        (defaults / "Preferences").write_text(json.dumps(preferences))
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=[*_FLAGS, *flags]
        )
        assert context.browser
        yield context.browser
        context.close()


@contextmanager
def serving(*parts: str, var_dir: str, database_url: str) -> Iterator[Console]:
    """Start a server with these parts of console_rows.py in its migrated database."""
    env = {"DATABASE_URL": database_url, "VAR_DIR": var_dir, "INTAKE_URL": "database://"}
    server = Server(env=env)
    try:
        yield Console(server, fill(*parts, env=env))
    finally:
        server.stop()


def fill(*parts: str, env: dict[str, str]) -> dict[str, str]:
    """Make rows and accounts. Return the accounts' sessions."""
    command = [sys.executable, "-m", "tests.support.console_rows", *parts]
    made = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, check=True, stdout=subprocess.PIPE
    )
    sessions: dict[str, str] = json.loads(made.stdout)
    return sessions


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


SHOP = "/demo/"


@contextmanager
def debugging(*, var_dir: str, database_url: str) -> Iterator[Console]:
    """Start a server with DEBUG, with accounts in its migrated database."""
    env = {"DATABASE_URL": database_url, "VAR_DIR": var_dir, "INTAKE_URL": "database://"}
    server = Server(env=env | {"DEBUG": "1"})
    try:
        yield Console(server, fill("accounts", env=env))
    finally:
        server.stop()


def add_from_shelf(page: Page, number: int = 0) -> str:
    """Put a product of the shelf into the cart; return the cart id of the answer."""
    page.get_by_role("button", name="Add to cart").nth(number).click()
    answer = page.locator("#answers > li").first
    expect(answer).to_contain_text("200 OK")
    return answer.locator("[data-text=said]").inner_text().removeprefix("cart_id ")


def send_a_bad_item(page: Page) -> Locator:
    """Send an item with faults; return the line that shows the answer."""
    page.get_by_role("button", name="Send a bad item").click()
    answer = page.locator("#answers > li").first
    expect(answer).to_contain_text("400 Bad Request")
    return answer


def switch_to_the_post(page: Page) -> None:
    """Open the toolbar and its history, and switch to the newest add."""
    page.locator("#djShowToolBarButton").click()
    page.locator("a.HistoryPanel").click()
    page.locator("#HistoryPanel").get_by_role("button", name="Refresh").click()
    post = page.locator("#djdtHistoryRequests > tr", has_text="/items").first
    expect(post).to_contain_text("POST")
    request_id = post.get_attribute("data-request-id") or ""
    post.get_by_role("button", name="Switch").click()
    expect(page.locator("#djDebug")).to_have_attribute("data-request-id", request_id)


def show_sql(page: Page) -> None:
    """Open the SQL panel, and wait for its statements."""
    page.locator("a.SQLPanel").click()
    expect(page.locator("#SQLPanel tr").first).to_be_visible()
