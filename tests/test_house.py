"""The house: every module is in a room, and imports run down the stairs only.

A room is a package. The docstring of its `__init__` names the rooms that it may import, and this
test holds it to that. "tracker" there means the modules right in that package, "tracker.*" all
rooms in it.
"""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.live import ROOT

TOP = ("core", "middleware", "tracker")
# Found by Django under these names, in every project.
DJANGO = {"apps", "checks", "models", "urls", "admin", "admin_config"}
LOOSE = {
    "core": {"environment", "handler", "index", "public", "settings", "wsgi"} | DJANGO,
    "tracker": {"adds", "cart_ids", "counters", "retry"} | DJANGO,
    "tracker.console": {"roles"} | DJANGO,
}
# Django finds them; in `tracker` they stand above all rooms, so no room imports them.
ENTRIES = {"tracker.apps", "tracker.checks", "tracker.urls"}
MAX_MODULES = 12
# Django's own kinds of rooms: nothing imports them.
LEAVES = {"management", "commands", "templatetags", "formats", "en"}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    _name(path): path
    for top in TOP
    for path in sorted((ROOT / top).rglob("*.py"))
    if "migrations" not in path.parts
}
ROOMS = {name for name, path in MODULES.items() if path.name == "__init__.py"}


def _room(module: str) -> str:
    return module if module in ROOMS else module.rpartition(".")[0]


def _imports(path: Path) -> Iterator[str]:
    """The modules of this project that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [each if each in MODULES else str(node.module) for each in members]
        else:
            continue
        yield from (name for name in names if name in MODULES)


def _allowed(room: str) -> set[str]:
    """The rooms that a room's docstring names; those of the room around it, if it names none."""
    docstring = ast.get_docstring(ast.parse(MODULES[room].read_text())) or ""
    found = re.search(r"^May import: (.+)", docstring, re.MULTILINE | re.DOTALL)
    if found is None:
        outer = room.rpartition(".")[0]
        return _allowed(outer) if outer else set()
    named = [each.strip() for each in found[1].split(",")]
    rooms = {each for each in named if not each.endswith(".*")}
    for prefix in (each[:-1] for each in named if each.endswith(".*")):
        rooms |= {each for each in ROOMS if f"{each}.".startswith(prefix)}
    assert rooms <= ROOMS, f"{room} names rooms that do not exist: {rooms - ROOMS}"
    return rooms


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_says_what_it_is_and_imports_only_what_it_says(room: str) -> None:
    if room.rpartition(".")[2] not in LEAVES:
        assert ast.get_docstring(ast.parse(MODULES[room].read_text())), f"{room} says nothing"
    allowed = _allowed(room) | {room}
    for module, path in MODULES.items():
        if _room(module) != room or module in ENTRIES:
            continue
        wrong = {name for name in _imports(path) if _room(name) not in allowed or name in ENTRIES}
        assert not wrong, f"{module} imports {wrong}, which is not below {room}"


def test_no_rooms_import_each_other_in_a_circle() -> None:
    """Raises graphlib.CycleError, which names the circle."""
    rooms = {room for room in ROOMS if room not in LOOSE and not LEAVES & set(room.split("."))}
    graph = {room: _allowed(room) & rooms - {room} for room in rooms}
    TopologicalSorter(graph).prepare()


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter({name: set(_imports(path)) for name, path in MODULES.items()}).prepare()


def test_every_module_is_in_a_room() -> None:
    for module in sorted(set(MODULES) - ROOMS):
        room, _, name = module.rpartition(".")
        assert room not in LOOSE or name in LOOSE[room], f"{module} belongs into a room"
    for room in sorted(ROOMS):
        modules = [each for each in MODULES if _room(each) == room and each != room]
        assert len(modules) <= MAX_MODULES, f"{room} has {len(modules)} modules: make rooms"


def test_every_test_is_in_a_room() -> None:
    loose = {path.name for path in (ROOT / "tests").glob("*.py")}
    assert loose == {"__init__.py", "conftest.py", "test_house.py"}


def test_files_and_functions_stay_small() -> None:
    for path in MODULES.values():
        text = path.read_text()
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno
                assert node.end_lineno - node.lineno < 40, f"{path}: {node.name}"
