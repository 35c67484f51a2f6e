"""The system checks, each with a setting that it must find; and what our own settings must be."""

from functools import partial
from http.cookies import Morsel
from typing import Any
from uuid import UUID

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from tests.core.test_settings import PRODUCTION, manage
from tracker.endpoint.cart import cart_id_cookie, expired_cookie

STOREFRONT_LAYERS = [
    "middleware.access.AccessMiddleware",
    "middleware.cors.CorsMiddleware",
    "middleware.problem.ProblemMiddleware",
    "middleware.cart_id.CartIdMiddleware",
    "middleware.storefront.StorefrontMiddleware",
]


def found(**changed: Any) -> list[str]:
    with override_settings(**changed):
        messages = run_checks()
    return [str(message.id) for message in messages if str(message.id).startswith("tracker.")]


def test_the_settings_as_they_are_pass() -> None:
    assert found() == []


def test_post_items_goes_through_these_layers_first(settings: Any) -> None:
    """Each layer stands where it must.

    Access logs every request; CORS refuses before any work (R34) and gives errors their headers
    (R33); the problem layer guards the form of all that comes from within (R31).
    """
    assert settings.MIDDLEWARE[:5] == STOREFRONT_LAYERS


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("make", [partial(cart_id_cookie, UUID(int=1)), expired_cookie])
def test_browsers_keep_the_cookie(make: Any, secure: bool) -> None:
    """R8. They drop SameSite=None and Partitioned without Secure, and say nothing."""
    cookie: Morsel[str] = make(secure=secure)
    needs_secure = cookie["samesite"] == "None" or bool(cookie["partitioned"])
    assert bool(cookie["secure"]) == needs_secure == secure


def test_e006_finds_an_intake_that_does_not_exist() -> None:
    assert found(INTAKE_URL="kafka://localhost") == ["tracker.E006"]


def test_w002_finds_a_journal_in_memory() -> None:
    given = {**PRODUCTION, "INTAKE_URL": "journal:///dev/shm/never-made"}
    assert "tracker.W002" in manage("check", "--deploy", **given).stderr


def test_w001_finds_a_secret_of_one_machine_in_production() -> None:
    given = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}
    assert "tracker.W001" in manage("check", "--deploy", **given).stderr
