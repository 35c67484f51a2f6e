"""The command `manage.py first_account`."""

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Make the account 'admin' with a random password if there is no staff account yet."

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        if users.filter(is_staff=True).exists():
            return
        password = secrets.token_urlsafe(15)
        users.create_superuser("admin", password=password)
        self.stdout.write(
            "Made the console's first account. The password is shown only once:\n"
            f"  user      admin\n  password  {password}"
        )
