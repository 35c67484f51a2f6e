"""Where accepted adds are made durable: one contract, chosen by INTAKE_URL.

To add an intake: a module with a class that fulfils `Intake`, and its line in `_KINDS`.
"""

from functools import cache
from importlib import import_module
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from tracker.payload import Add


class Unavailable(Exception):
    """An add can't be made durable now; the same one may be tried again later (R32)."""


class Intake(Protocol):
    """What every intake promises."""

    blocks: bool
    """Whether `accept` waits for another process or a disk: then it runs on a thread of its own."""

    needs_database: bool
    """Whether `accept` needs the database."""

    def accept(self, add: Add) -> None:
        """Make the add durable, as durable as this intake's row of the README's table says.

        Returns once a 200 may be sent. Raises Unavailable, within STORE_TIMEOUT_S, when it can't.
        Accepting an add twice leaves the same rows as accepting it once.
        """


_KINDS = {"database": "tracker.intake.database.DatabaseIntake"}


def intake_class(url: str) -> tuple[type[Intake], SplitResult]:
    """The class for an INTAKE_URL. Raises ImproperlyConfigured, saying what to do."""
    parts = urlsplit(url)
    if parts.scheme not in _KINDS:
        known = ", ".join(f"{kind}://" for kind in _KINDS)
        raise ImproperlyConfigured(f"INTAKE_URL={url!r} is no intake. Use one of: {known}.")
    module, _, name = _KINDS[parts.scheme].rpartition(".")
    return getattr(import_module(module), name), parts


@cache
def current() -> Intake:
    """This process's intake, made at the first call."""
    kind, url = intake_class(settings.INTAKE_URL)
    return kind(url)  # type: ignore[call-arg]


def _forget(*, setting: str, **kwargs: object) -> None:
    """A test that overrides INTAKE_URL gets the intake that it asks for."""
    if setting == "INTAKE_URL":
        current.cache_clear()


setting_changed.connect(_forget)
