"""Find the intake that INTAKE_URL names."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from tracker.intake.contract import Intake

_KINDS = {
    "database": "tracker.intake.database.intake.DatabaseIntake",
    "journal": "tracker.intake.journal.intake.JournalIntake",
    "valkey": "tracker.intake.stream.intake.StreamIntake",
    "valkeys": "tracker.intake.stream.intake.StreamIntake",
    "redis": "tracker.intake.stream.intake.StreamIntake",
    "rediss": "tracker.intake.stream.intake.StreamIntake",
}


def intake_from_url(url: str) -> Intake:
    """Return the intake for an INTAKE_URL. Nothing is created or opened yet.

    Raises ImproperlyConfigured with one line that says what to do.
    """
    parts = urlsplit(url)
    if parts.scheme not in _KINDS:
        known = ", ".join(f"{kind}://" for kind in _KINDS)
        raise ImproperlyConfigured(f"INTAKE_URL={url!r} is unknown. Use one of: {known}.")
    module, _, name = _KINDS[parts.scheme].rpartition(".")
    kind: Callable[[SplitResult], Intake] = getattr(import_module(module), name)
    return kind(parts)


@cache
def current_intake() -> Intake:
    """Return the intake of this process. The first call creates it."""
    return intake_from_url(settings.INTAKE_URL)


def _forget(*, setting: str, **kwargs: object) -> None:
    """Forget the intake when a test overrides INTAKE_URL."""
    if setting == "INTAKE_URL":
        current_intake.cache_clear()


setting_changed.connect(_forget)
