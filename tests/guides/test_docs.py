"""README.md and docs/: what they name exists, links lead somewhere, tables are complete."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from tests.support.guides import prose
from tests.support.live import ROOT
from tracker.intake.journal.options import Options as JournalOptions
from tracker.intake.stream.url import Options as StreamOptions

DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS]
ROOT_NAMES = {path.name for path in ROOT.iterdir()}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def doc(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def first_column(table: str) -> set[str]:
    """Return the names in backticks with which a table's rows begin."""
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def settings_read() -> Iterator[str]:
    """Yield the environment variables that the settings ask for."""
    for call in ast.walk(ast.parse((ROOT / "core/settings.py").read_text())):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env")),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def test_every_setting_has_its_row() -> None:
    table = doc("settings.md").partition("\n## ")[0]
    assert first_column(table) == set(settings_read())


def test_every_option_of_an_intake_has_its_row() -> None:
    options = {each.name for kind in (JournalOptions, StreamOptions) for each in fields(kind)}
    assert first_column(doc("settings.md").partition("## INTAKE_URL")[2]) == options


def rules_in(text: str) -> set[str]:
    """Return the rules that a text names: R7 is one, R1-R8 are eight."""
    ranges = re.findall(r"\bR(\d+)(?:-R(\d+))?\b", text)
    return {f"R{n}" for low, high in ranges for n in range(int(low), int(high or low) + 1)}


def test_every_rule_has_a_place_and_a_test() -> None:
    rules = set(re.findall(r"^\| (R\d+) \|", doc("spec.md"), re.MULTILINE))
    assert len(rules) == 26
    assert rules_in(doc("spec.md").partition("## Which rule lives where")[2]) == rules
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    assert rules <= rules_in("\n".join(path.read_text() for path in tests))


@each_page
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    """In backticks, from the root of the tree: with a folder, or a file right there."""
    for name in re.findall(r"`([\w./-]+)`", prose(page.read_text())):
        if "/" in name and name.partition("/")[0] in ROOT_NAMES:
            assert (ROOT / name).exists(), name


@each_page
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    """Scripts by their path; commands of manage.py, whoever runs it, by their name."""
    text = page.read_text()
    for script in re.findall(r"(?<![\w/.-])(script/[\w-]+|deploy/manage|\.ci/run)", text):
        assert (ROOT / script).exists(), script
    own = {path.stem for path in ROOT.glob("*/**/management/commands/*.py")}
    django = {"check", "clearsessions", "createsuperuser", "migrate", "runserver"}
    axes = {"axes_reset_username", "axes_reset_ip"}
    named = set(re.findall(r"\b(?:manage\.py|deploy/manage) ([a-z]\w+)", text))
    assert named <= own | django | axes


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", prose(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links to other sites are not tried."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_dependency_has_its_reason() -> None:
    tables = "\n".join(re.findall(r"^\| ([^|]+) \|", doc("dependencies.md"), re.MULTILINE))
    explained = set(re.findall(r"[\w-]+", tables))
    for file in ROOT.glob("requirements*.txt"):
        required = set(re.findall(r"^([\w-]+)[\[=]", file.read_text(), re.MULTILINE))
        assert required
        assert required <= explained, file.name


def test_the_readme_is_short_and_leads_to_every_document() -> None:
    readme = ROOT / "README.md"
    assert readme.stat().st_size < 10_240
    assert "@@" not in readme.read_text()
    for page in DOCS:
        assert f"](docs/{page.name})" in readme.read_text(), page.name
