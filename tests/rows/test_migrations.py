"""Migrations: reversible, safe for those who use the tables, and quick to give up (R32)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

from tests.conftest import migrate
from tests.support.live import ROOT, Server
from tests.support.load import Load, wait_until_kept
from tests.support.stored import ask

NewDatabase = Callable[[], str]

# A later release, as a settings module and a migration. Each of the two operations locks a table.
SETTINGS = """
from core.settings import *
MIGRATION_MODULES = {"tracker": "later_migrations"}
"""
MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("tracker", "0001_initial")]
    operations = [
        migrations.AddField("cart", "note", models.TextField(null=True)),
        migrations.AddField("item", "amount", models.IntegerField(db_default=1)),
        migrations.AddIndex("item", models.Index(fields=["price"], name="later_price")),
    ]
"""


def test_migrations_can_be_taken_back_and_made_again(new_database: NewDatabase) -> None:
    url = new_database()
    migrate(url, "console", "zero")
    migrate(url, "tracker", "zero")
    migrate(url)
    assert ask(url, "SELECT count(*) FROM tracker_item") == [(0,)]


@pytest.mark.postgresql
@pytest.mark.django_db
def test_every_migration_is_safe_while_the_service_runs(settings: Any) -> None:
    """The library refuses what would lock a table for long, or break the release before."""
    settings.ZERO_DOWNTIME_MIGRATIONS_RAISE_FOR_UNSAFE = True
    for app, name in MigrationLoader(None).disk_migrations:
        if app in ("tracker", "console"):
            call_command("sqlmigrate", app, name, stdout=StringIO())


@pytest.fixture
def migrate_later(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run the later release's `manage.py migrate` on the database of that URL."""
    package = tmp_path / "later_migrations"
    shutil.copytree(ROOT / "tracker" / "migrations", package)
    (package / "0002_later.py").write_text(MIGRATION)
    (tmp_path / "later_settings.py").write_text(SETTINGS)

    def run(url: str) -> subprocess.CompletedProcess[str]:
        given = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "later_settings"}
        return subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0", "tracker"],
            cwd=ROOT,
            env={**os.environ, **given, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.mark.postgresql
def test_a_migration_that_gets_no_lock_gives_up_and_can_be_run_again(
    migrate_later: Callable[[str], subprocess.CompletedProcess[str]],
    new_database: NewDatabase,
    serve: Callable[..., Server],
) -> None:
    """R32: an export reads the items for long. Nobody queues behind the migration."""
    url = new_database()
    export = psycopg2.connect(url)
    export.cursor().execute("LOCK TABLE tracker_item IN ACCESS SHARE MODE")
    with Load(serve(DATABASE_URL=url), clients=2, pause_s=0.005) as load:
        refused = migrate_later(url)
        assert refused.returncode == 1
        assert "canceling statement due to lock timeout" in refused.stderr
        load.accept(20)
        export.close()
        done = migrate_later(url)
        assert done.returncode == 0, done.stderr
        load.accept(20)
    assert not load.failures
    wait_until_kept(load, url)
    assert ask(url, "SELECT note, amount FROM tracker_item JOIN tracker_cart ON true LIMIT 1") == [
        (None, 1)
    ]
