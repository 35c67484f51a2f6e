"""The triggers that keep the counts, and the counts of what is there already."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from tracker import tally_sql


def install(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    tally_sql.recount(editor)
    tally_sql.install(editor)


def remove(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    tally_sql.remove(editor)


class Migration(migrations.Migration):
    dependencies = [("tracker", "0003_console")]
    operations = [migrations.RunPython(install, remove)]
