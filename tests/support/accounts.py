"""Accounts of the console, logged in."""

from django.contrib.auth.models import Group, User
from django.test import Client


def log_in(client: Client, name: str, group: str) -> Client:
    """The client, from now on with a new account in this group."""
    user = User.objects.create_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client
