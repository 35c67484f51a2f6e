"""The layout: imports go one way, and the README's tables are true."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import ROOT

# Each may import those on its right, and itself; Django and other libraries apart.
LAYERS = ["core", "tracker", "middleware"]
FORBIDDEN = {
    "tracker/payload.py": {"django.db", "tracker.models", "tracker.store"},
    "tracker/store.py": {"django.http", "middleware.request", "middleware.cart_id"},
    "tracker/models.py": {"django.http"},
}


def modules() -> list[Path]:
    return sorted(
        path
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
        if "migrations" not in path.parts
    )


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    """core -> tracker -> middleware -> Django."""
    layer = path.relative_to(ROOT).parts[0]
    above = LAYERS[: LAYERS.index(layer)]
    wrong = [name for name in imports(path) if name.partition(".")[0] in above]
    assert not wrong


@pytest.mark.parametrize("path", FORBIDDEN)
def test_a_module_knows_only_its_own_side(path: str) -> None:
    for name in imports(ROOT / path):
        assert not any(f"{name}.".startswith(f"{banned}.") for banned in FORBIDDEN[path])


def test_only_the_console_knows_the_admin_and_nothing_knows_the_console() -> None:
    for path in modules():
        if "console" in path.parts:
            continue
        for name in imports(path):
            assert not name.startswith("tracker.console"), path
            assert path.name == "urls.py" or not name.startswith("django.contrib.admin"), path


def test_files_and_functions_stay_small() -> None:
    for path in modules():
        text = path.read_text()
        assert text.count("\n") <= 280, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno
                assert node.end_lineno - node.lineno < 40, f"{path}: {node.name}"


def settings_read() -> set[str]:
    """The environment variables that the settings ask for."""
    calls = ast.walk(ast.parse((ROOT / "core/settings.py").read_text()))
    return {
        call.args[0].value
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def test_the_readme_lists_every_setting_and_no_other() -> None:
    table = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted(settings_read())


def rules_in(text: str) -> set[str]:
    """R7 is one rule, R1-R8 are eight."""
    ranges = re.findall(r"\bR(\d+)(?:-R(\d+))?\b", text)
    return {f"R{n}" for low, high in ranges for n in range(int(low), int(high or low) + 1)}


def test_every_rule_has_a_test_and_a_place() -> None:
    """The rules of docs/spec.md are named in the tests and found in the README's table."""
    rules = re.findall(r"^\| (R\d+) \|", (ROOT / "docs/spec.md").read_text(), re.MULTILINE)
    assert len(rules) == 26
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    placed = rules_in((ROOT / "README.md").read_text().partition("## Which rule")[2])
    for rule in rules:
        assert re.search(rf"\b{rule}\b", tests), f"no test names {rule}"
        assert rule in placed, f"the README does not place {rule}"


def test_the_files_that_the_readme_names_exist() -> None:
    names = re.findall(
        r"`((?:core|tracker|middleware|tests|docs|script)/[\w./-]+)`",
        (ROOT / "README.md").read_text(),
    )
    assert names
    for name in names:
        assert (ROOT / name).exists(), name


def test_every_dependency_has_its_line_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for file in ("requirements.txt", "requirements-production.txt"):
        for name in re.findall(r"^([\w-]+)[\[=]", (ROOT / file).read_text(), re.MULTILINE):
            assert name in readme, f"{name} is not explained"
