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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Request,
    sync_playwright,
)

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
