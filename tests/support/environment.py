"""Which database the suite runs on. A pytest plugin, imported before Django reads its settings.

TEST_DATABASE=sqlite (the default) or postgresql. The server for the latter is started here; if it
can't be, the run ends with the reason: a skipped database would look like a passed one.
"""

import os
import tempfile

import pytest

from tests.support.postgres import Postgres

DATABASE = os.environ.get("TEST_DATABASE", "sqlite")

# Nothing of the developer's own environment, and nothing below the working tree, may matter.
for name in ("DEBUG", "ROLE", "ALLOWED_HOSTS", "INTAKE_URL", "TRUSTED_PROXIES", "SECRET_KEY"):
    os.environ.pop(name, None)
_var = tempfile.TemporaryDirectory(prefix="cart-tracker-")
os.environ["VAR_DIR"] = _var.name
os.environ["STOREFRONT_ORIGINS"] = "https://shop.example,http://localhost:3000"

if DATABASE == "postgresql":
    postgres = Postgres()
    os.environ["DATABASE_URL"] = postgres.url("postgres")
elif DATABASE == "sqlite":
    os.environ.pop("DATABASE_URL", None)
else:
    raise pytest.UsageError(f"TEST_DATABASE={DATABASE!r}: use sqlite or postgresql.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgresql: about what only PostgreSQL has")
    config.addinivalue_line("markers", "once: has no database in it; runs in the SQLite half")
    config.addinivalue_line(
        "markers", "browser: needs Chromium; runs in CI on SQLite, or if it is named"
    )
    config.addinivalue_line("markers", "slow: runs in CI, or if it is named")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What does not belong to this half of the suite does not exist; a skip would be no news."""
    is_named = config.args_source is pytest.Config.ArgsSource.ARGS
    others = {"once", "browser"} if DATABASE == "postgresql" else {"postgresql"}
    if is_named:
        others -= {"browser"}
    foreign = [item for item in items if any(map(item.get_closest_marker, others))]
    if not is_named and not os.environ.get("CI"):
        in_ci = [item for item in items if item not in foreign and _is_for_ci(item)]
        config.stash[_LEFT_FOR_CI] = len(in_ci)
        foreign += in_ci
    gone = set(foreign)
    items[:] = [item for item in items if item not in gone]
    config.hook.pytest_deselected(items=foreign)


_LEFT_FOR_CI = pytest.StashKey[int]()
# About the console's pages, whatever the database: without CI, the SQLite half alone runs these.
_PAGES = ("test_console_", "test_export", "test_refusals_page", "test_spreadsheet")


def _is_for_ci(item: pytest.Item) -> bool:
    """What a plain run leaves out: what takes minutes, and what the other half does as well."""
    if item.get_closest_marker("browser") or item.get_closest_marker("slow"):
        return True
    if DATABASE != "postgresql" or item.get_closest_marker("postgresql"):
        return False
    return item.path.name.startswith(_PAGES)


def pytest_report_header() -> str:
    return f"database: {DATABASE}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    passed = len(terminalreporter.stats.get("passed", []))
    terminalreporter.write_line(f"{passed} tests passed on {DATABASE}")
    if left := config.stash.get(_LEFT_FOR_CI, 0):
        terminalreporter.write_line(
            f"{left} more (slow, in a browser, of the console's pages) run with CI=1, or if named"
        )


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skipped test is a failed one: there, everything is at hand."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("Tests were skipped, and CI allows none.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
