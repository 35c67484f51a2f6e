"""A quick password hash: a million rounds for each account took half of the suite's time."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """Django's own with fewer rounds. The hash names them, so a real server can check it."""

    iterations = 1
