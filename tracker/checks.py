"""System checks of what the operator has set, run by every start and by `manage.py check`."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from tracker.intake.selection import current_intake, intake_from_url


@register
def check_intake(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    try:
        current_intake()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="tracker.E006")]
    return []


@register(deploy=True)
def check_promise(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn where the server or the disk behind the intake weakens its promise."""
    try:
        warnings = intake_from_url(settings.SERVED_INTAKE_URL).warnings()
    except ImproperlyConfigured:
        return []  # tracker.E006 says so.
    return [checks.Warning(each, id="tracker.W002") for each in warnings]


@register(Tags.security, deploy=True)
def check_secret_is_given(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a key that was made on this machine: no other machine accepts its sessions."""
    if settings.SERVES_CONSOLE and settings.SECRET_KEY_IS_LOCAL:
        hint = "Set SECRET_KEY in the environment, the same on all machines."
        return [
            checks.Warning("SECRET_KEY was made on this machine.", hint=hint, id="tracker.W001")
        ]
    return []
