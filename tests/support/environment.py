"""Which database the suite runs on. A pytest plugin, imported before Django reads its settings.

TEST_DATABASE=sqlite (the default) or postgresql. The server for the latter is started here; if it
can't be, the run ends with the reason: a skipped database would look like a passed one.
"""

import os
import tempfile
from pathlib import Path

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
    config.addinivalue_line("markers", "sqlite: about what only SQLite has")
    config.addinivalue_line("markers", "browser: needs Chromium; runs in CI, or if it is named")
    config.addinivalue_line("markers", "slow: runs in CI, or if it is named")


# The tests whose SQL or transactions are ours, and may differ: they run on both databases, all
# others on SQLite alone. Files or folders below tests/.
BOTH = (
    "rows/",
    "console/test_dashboard",
    "console/test_dead_letters",
    "console/test_erase",
    "console/test_export.py",
    "console/test_export_command",
    "console/test_limits",
    "console/test_live",
    "console/test_paging",
    "console/test_search",
    "endpoint/test_language",
    "endpoint/test_stored",
    "faults/test_erase_backlog",
    "intake/test_database_intake",
    "intake/test_dead_letters",
    "intake/test_drain",
    "operations/test_doctor",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of the other database and, unless named or in CI, the slow ones."""
    is_named = config.args_source is pytest.Config.ArgsSource.ARGS
    here = [item for item in items if _is_for(DATABASE, item)]
    left = here
    if not is_named and not os.environ.get("CI"):
        left = [item for item in here if not _has(item, {"browser", "slow"})]
    config.stash[_LEFT_FOR_CI] = len(here) - len(left)
    kept = set(left)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = left


_LEFT_FOR_CI = pytest.StashKey[int]()


def _has(item: pytest.Item, markers: set[str]) -> bool:
    return any(map(item.get_closest_marker, markers))


def _is_for(database: str, item: pytest.Item) -> bool:
    if database == "sqlite":
        return not _has(item, {"postgresql"})
    if _has(item, {"postgresql"}):
        return True
    name = item.path.relative_to(Path(__file__).parent.parent).as_posix()
    return name.startswith(BOTH) and not _has(item, {"sqlite"})


def pytest_report_header() -> str:
    return f"database: {DATABASE}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    passed = len(terminalreporter.stats.get("passed", []))
    terminalreporter.write_line(f"{passed} tests passed on {DATABASE}")
    if left := config.stash.get(_LEFT_FOR_CI, 0):
        terminalreporter.write_line(
            f"{left} more (slow or in a browser) run with CI=1, or if named"
        )


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in CI if a test was skipped: there, everything is available."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("Tests were skipped, and CI allows none.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
