"""Pictures of every page of the console: `python -m tests.support.screenshots [DIRECTORY]`.

With an empty database, with 20 items, and with a shop's carts and one of 20,000 items; in light and
dark; on a wide and on a narrow screen. The server is one of its own, on a database of its own; both
are gone afterwards. Without a directory, the README's pictures are made anew, too, and with them
those of the demo shop and of the debug toolbar over it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.support.browser import (
    CHROMIUM,
    MISSING,
    NARROW,
    SHOP,
    WIDE,
    Console,
    Scheme,
    add_from_shelf,
    debugging,
    fill,
    launched,
    send_a_bad_item,
    serving,
    show_sql,
    switch_to_the_post,
)
from tests.support.console_rows import PLACES
from tests.support.live import ROOT

DOCS = ROOT / "docs"
IN_README = ("dashboard", "cart", "live")
EMPTY, FEW, FULL = "empty", "few", "full"
PARTS: dict[str, tuple[str, ...]] = {
    EMPTY: (),
    FEW: ("small",),
    FULL: ("big", "found", "doomed", "letters"),
}
DEMO = ("seed_demo", "--items=30000", "--seed=1", "--force")
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def main() -> None:
    """Take all pictures, and print their names."""
    if CHROMIUM is None:
        sys.exit(MISSING)
    directory = Path(sys.argv[1]) if sys.argv[1:] else _own_directory()
    with tempfile.TemporaryDirectory(prefix="cart-tracker-") as var_dir, launched() as browser:
        for picture in photograph(browser, var_dir, directory):
            _tell(picture)
    if not sys.argv[1:]:
        for name in IN_README:
            taken = directory / FULL / f"{name}-light-{WIDE}.png"
            _tell(Path(shutil.copy(taken, DOCS / f"console-{name}.png")))
        with tempfile.TemporaryDirectory(prefix="cart-tracker-") as var_dir, launched() as browser:
            for picture in photograph_shop(browser, var_dir):
                _tell(picture)


def _own_directory() -> Path:
    """Return a folder that git ignores: the pictures change with each run."""
    directory = DOCS / "screenshots"
    directory.mkdir(exist_ok=True)
    (directory / ".gitignore").write_text("*\n")
    return directory


def _tell(picture: Path) -> None:
    sys.stdout.write(f"{picture.stat().st_size / 1024:6.0f} KiB  {picture}\n")


def photograph(browser: Browser, var_dir: str, directory: Path) -> Iterator[Path]:
    """Yield each picture when it is made: directory/full/cart-dark-390.png."""
    env = _migrated(var_dir)
    with serving(
        "accounts", "erased", var_dir=var_dir, database_url=env["DATABASE_URL"]
    ) as console:
        for stage, parts in PARTS.items():
            if stage == FULL:
                _manage(*DEMO, env=env)
            fill(*parts, env=env)
            for width, scheme in product((WIDE, NARROW), SCHEMES):
                yield from _every_page(console, browser, width, scheme, directory / stage)


def photograph_shop(browser: Browser, var_dir: str) -> Iterator[Path]:
    """Take docs/demo.png, and docs/toolbar.png with the SQL of its last POST."""
    url = _migrated(var_dir)["DATABASE_URL"]
    with (
        debugging(var_dir=var_dir, database_url=url) as console,
        console.enter(browser) as context,
    ):
        page = context.new_page()
        page.goto(SHOP)
        add_from_shelf(page)
        send_a_bad_item(page)
        add_from_shelf(page, 3)
        yield _taken(page, DOCS / "demo.png")
        page.reload()
        switch_to_the_post(page)
        show_sql(page)
        yield _taken(page, DOCS / "toolbar.png")


def _taken(page: Page, path: Path) -> Path:
    page.screenshot(path=path)
    return path


def _migrated(var_dir: str) -> dict[str, str]:
    """Return the environment of a new database."""
    env = {"VAR_DIR": var_dir, "DATABASE_URL": f"sqlite:///{var_dir}/tracker.sqlite3"}
    _manage("migrate", "--verbosity=0", env=env)
    return env


def _manage(*command: str, env: dict[str, str]) -> None:
    command = (sys.executable, "manage.py", *command)
    subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=True)


def _every_page(
    console: Console, browser: Browser, width: int, scheme: Scheme, directory: Path
) -> Iterator[Path]:
    for account in {place.account for place in PLACES.values()}:
        with console.enter(browser, account, width=width, scheme=scheme) as context:
            page = context.new_page()
            for name, place in PLACES.items():
                if place.account == account:
                    page.goto(place.path)
                    yield _taken(page, directory / f"{name}-{scheme}-{width}.png")


if __name__ == "__main__":
    main()
