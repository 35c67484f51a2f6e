"""Two groups of staff: Support reads; Support lead also exports, erases and replays."""

from typing import Any

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.db import connections

READS = ("view_cart", "view_item", "view_deadletter")
LEADS = (*READS, "export_carts", "erase_carts", "replay_deadletters", "view_auditentry")
GROUPS = {"Support": READS, "Support lead": LEADS}


def make_groups(using: str = "default", **kwargs: Any) -> None:
    """Create the groups and add missing permissions, after every `migrate`. Idempotent.

    Permissions that an administrator has added stay.
    """
    from django.contrib.auth.models import Group, Permission

    if Group._meta.db_table not in connections[using].introspection.table_names():
        return  # Only a part was migrated.
    for label in ("tracker", "console"):
        create_permissions(apps.get_app_config(label), verbosity=0, using=using)
    for name, codenames in GROUPS.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        given = Permission.objects.using(using).filter(
            codename__in=codenames, content_type__app_label__in=("tracker", "console")
        )
        group.permissions.add(*given)
