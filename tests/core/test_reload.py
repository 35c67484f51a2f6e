"""`manage.py reload` and SIGHUP: all processes anew, or none; and one service in a directory."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.live import ROOT, Server, wait_for

Serve = Callable[..., Server]


def manage(*args: str, var_dir: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=root,
        env={**os.environ, "VAR_DIR": str(var_dir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_a_reload_replaces_every_process(serve: Serve, tmp_path: Path) -> None:
    server = serve("--workers", "2", VAR_DIR=str(tmp_path))
    before = set(server.children())
    result = manage("reload", var_dir=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "Reloaded: all processes are new.\n"
    assert not before & set(server.children())
    assert server.add(product_id="sku-1").status == 200


def test_a_reload_that_fails_says_so_and_the_old_processes_go_on(
    serve: Serve, tmp_path: Path
) -> None:
    server = serve("--workers", "2", VAR_DIR=str(tmp_path))
    before = server.children()
    (tmp_path / "secret_key").unlink()
    (tmp_path / "secret_key").mkdir()
    # The command reads the settings, too, so it gets a key. The service's environment has none.
    os.environ["SECRET_KEY"] = "x" * 60
    try:
        result = manage("reload", var_dir=tmp_path)
    finally:
        del os.environ["SECRET_KEY"]
    assert result.returncode == 1
    assert "Not reloaded. The old processes go on: worker-" in result.stderr
    assert "ended during its start" in result.stderr
    assert "the old processes go on" in server.printed()
    assert (server.children(), server.add(product_id="sku-1").status) == (before, 200)
    (tmp_path / "secret_key").rmdir()
    assert manage("reload", var_dir=tmp_path).returncode == 0
    assert not set(before) & set(server.children())


def test_a_release_without_its_programs_leaves_the_old_one_at_work(
    serve: Serve, tmp_path: Path
) -> None:
    """Also when a process dies meanwhile: it is started as soon as its program is there."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    python = bin_dir / "python"
    python.symlink_to(sys.executable)
    # Through this link, Python does not find its virtual environment.
    packages = ":".join(path for path in sys.path if path.endswith("site-packages"))
    server = serve("--workers", "2", VAR_DIR=str(tmp_path), PYTHONPATH=packages, python=str(python))
    before = server.children()
    python.rename(bin_dir / "gone")
    result = manage("reload", var_dir=tmp_path)
    assert result.returncode == 1
    assert "a process can't be started" in result.stderr
    assert server.children() == before
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: "can't be started" in server.printed().partition("ended with")[2])
    assert server.add(product_id="sku-1").status == 200
    (bin_dir / "gone").rename(python)
    wait_for(lambda: len(server.children()) == 2)
    assert server.stop() == 0


def test_where_nothing_runs_there_is_nothing_to_reload(tmp_path: Path) -> None:
    result = manage("reload", var_dir=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith(f"CommandError: Not reloaded. No service runs in {tmp_path}.")


def test_a_second_service_in_one_directory_is_refused(serve: Serve, tmp_path: Path) -> None:
    """And nothing of the first one's is touched. When that is killed, the next one may start."""
    server = serve(VAR_DIR=str(tmp_path))
    assert server.add(product_id="sku-1").status == 200
    files = sorted((tmp_path / "metrics").iterdir())
    result = manage("serve", "--port", "0", var_dir=tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        f"CommandError: Another service (pid {server.process.pid}) uses {tmp_path}."
        " Give each its own VAR_DIR.\n"
    )
    assert sorted((tmp_path / "metrics").iterdir()) == files
    server.process.kill()
    server.process.wait()
    assert serve(VAR_DIR=str(tmp_path)).add(product_id="sku-1").status == 200


@pytest.mark.parametrize(
    "option", [["--keep-alive", "0"], ["--stop-delay", "601"], ["--port", "x"]]
)
def test_a_wrong_option_is_refused_in_one_line(option: list[str], tmp_path: Path) -> None:
    result = manage("serve", *option, var_dir=tmp_path)
    assert result.returncode == 2
    assert "must be a whole number from" in result.stderr.splitlines()[-1]


def test_one_listener_serves_both_kinds_of_addresses(serve: Serve) -> None:
    """`--host ::`, and the address of an IPv4 client is written as such."""
    server = serve("--host", "::")
    assert server.add(product_id="sku-1").status == 200
    assert server.request("GET", "/livez").status == 200


def test_the_keep_alive_is_a_setting(serve: Serve) -> None:
    server = serve("--keep-alive", "1")
    with server.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        assert connection.recv(1) == b""
