"""Passwords that are hashed at once: a million rounds for each account are half of the suite."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """Django's own but for the rounds, which stand in the hash: a real server can check it."""

    iterations = 1
