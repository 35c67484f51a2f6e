"""manage.py export: the same file without a cap, complete or not there."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.support.exports import LISTS, TWINS, account, add, address, audited, fill, python, read
from tests.support.live import ROOT
from tracker.console.export import page as export
from tracker.console.models import AuditEntry
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db


def entries() -> list[tuple[str, str, str]]:
    found = AuditEntry.objects.filter(action="exported").order_by("id")
    return list(found.values_list("username", "action", "detail"))


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", ["", "q=a", "q=7715c0de"])
def test_it_writes_what_the_page_sends(name: str, query: str, tmp_path: Path) -> None:
    store.merge([add(cart_id, f"a{n}", name="=1", price=n) for cart_id in TWINS for n in range(3)])
    file = tmp_path / "file.csv"
    call_command("export", name, query=query, output=str(file))
    sent = account().post(address(name, query)).getvalue()
    assert file.read_bytes() == sent
    assert [path.name for path in tmp_path.iterdir()] == ["file.csv"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_it_writes_to_the_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    store.merge([add(TWINS[0], "a")])
    call_command("export", "items", query="?q=a")
    written = capfdbinary.readouterr()
    assert len(read(written.out)) == 1
    assert written.err == b""  # Not a terminal: no progress.


def test_it_has_no_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BROWSER_ROWS", 3)
    fill(5)
    call_command("export", "carts", output=str(tmp_path / "file"))
    assert len(read((tmp_path / "file").read_bytes())) == 5


def test_it_is_on_the_audit_log_with_its_operator(tmp_path: Path) -> None:
    call_command("export", "carts", query="q=a", output=str(tmp_path / "file"), operator="ada")
    assert [(who, detail) for who, _, detail in entries()] == [
        ("ada", "manage.py, begun: carts, q=a"),
        ("ada", "manage.py, complete, 0 rows: carts, q=a"),
    ]


def test_the_operator_is_the_systems_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    call_command("export", "carts", output=str(tmp_path / "file"))
    assert entries()[0][0] == Path(f"/proc/{os.getpid()}").owner()


@pytest.mark.parametrize("name", ["file", "file.part"])
def test_it_overwrites_a_file_only_with_force(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(CommandError, match="--force"):
        call_command("export", "carts", output=str(tmp_path / "file"))
    assert (tmp_path / name).read_text() == "precious"
    assert audited() == []
    call_command("export", "carts", output=str(tmp_path / "file"), force=True)
    assert read((tmp_path / "file").read_bytes()) == []
    assert not (tmp_path / "file.part").exists()


@pytest.mark.parametrize("query", ["nonsense=1", "q=%00", "items__name=x"])
def test_a_query_that_the_list_does_not_understand_is_an_error(query: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--query"):
        call_command("export", "carts", query=query, output=str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cant_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file or directory"):
        call_command("export", "carts", output=str(tmp_path / "nowhere" / "file"))


def test_an_export_that_is_killed_leaves_no_file(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    """It writes into a pipe, which is full before all rows are written."""
    url = new_database()
    python(url, "fill(3000)")
    part = tmp_path / "file.part"
    command = [sys.executable, "manage.py", "export", "carts", f"--output={tmp_path / 'file'}"]
    env = {**os.environ, "DATABASE_URL": url}
    for signum in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        part.unlink(missing_ok=True)
        os.mkfifo(part)
        process = subprocess.Popen(
            [*command, "--force"], cwd=ROOT, env=env, stderr=subprocess.DEVNULL
        )
        with process:
            # Close the pipe before waiting, because the last bytes may wait for space in it.
            with part.open("rb") as pipe:
                assert pipe.read(100_000)
                process.send_signal(signum)
            process.wait(10)
        assert process.returncode != 0
        assert not (tmp_path / "file").exists()
