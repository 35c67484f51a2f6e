"""The system checks: each finds what it is there to find."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from tests.test_settings import PRODUCTION, manage

OURS = [
    "middleware.access.AccessMiddleware",
    "middleware.cors.CorsMiddleware",
    "middleware.problem.ProblemMiddleware",
    "middleware.cart_id.CartIdMiddleware",
    "middleware.storefront.StorefrontMiddleware",
]


def found(*, deploy: bool = False, **changed: Any) -> list[str]:
    with override_settings(**changed):
        messages = run_checks(include_deployment_checks=deploy)
    return [str(message.id) for message in messages if str(message.id).startswith("tracker.")]


def test_the_settings_as_they_are_pass() -> None:
    assert found() == []


@pytest.mark.parametrize(
    "layers", [OURS[::-1], OURS[:-1], [OURS[0], OURS[2], OURS[1], *OURS[3:]], []]
)
def test_e001_finds_layers_out_of_order(layers: list[str], settings: Any) -> None:
    rest = [name for name in settings.MIDDLEWARE if name not in OURS]
    assert found(MIDDLEWARE=[*layers, *rest]) == ["tracker.E001"]


@pytest.mark.parametrize(
    "layer",
    [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "axes.middleware.AxesMiddleware",
        "tracker.console.headers.HeadersMiddleware",
    ],
)
def test_e002_finds_the_console_on_the_storefronts_way(layer: str, settings: Any) -> None:
    rest = [name for name in settings.MIDDLEWARE if name not in (*OURS, layer)]
    assert found(MIDDLEWARE=[layer, *OURS, *rest]) == ["tracker.E002"]


def test_no_layer_of_the_console_is_on_the_storefronts_way(settings: Any) -> None:
    """Whatever is added to the list is below the storefront's own."""
    assert settings.MIDDLEWARE[: len(OURS)] == OURS


def test_e003_finds_a_cookie_that_browsers_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    """R8"""
    from middleware import cart_id

    monkeypatch.setattr(cart_id, "_PLAIN", cart_id._prepared({"samesite": "None"}))
    assert found() == ["tracker.E003"]


@pytest.mark.parametrize("where", ["INSTALLED_APPS", "MIDDLEWARE"])
def test_e004_finds_the_toolbar_without_debug(where: str, settings: Any) -> None:
    settings.DEBUG = False
    names = [*getattr(settings, where), "debug_toolbar"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, where, names)
        from tracker.checks import check_toolbar

        assert [message.id for message in check_toolbar(None)] == ["tracker.E004"]


@pytest.mark.parametrize("source", ["'unsafe-inline'", "'unsafe-eval'", "https:", "*"])
@pytest.mark.parametrize("directive", ["script-src", "style-src", "default-src"])
def test_e007_finds_a_policy_that_lets_anything_run(
    directive: str, source: str, settings: Any
) -> None:
    policy = settings.CONTENT_SECURITY_POLICY
    loose = {**policy["DIRECTIVES"], directive: ["'self'", source]}
    assert found(CONTENT_SECURITY_POLICY={**policy, "DIRECTIVES": loose}) == ["tracker.E007"]


def test_e007_finds_pages_without_a_policy(settings: Any) -> None:
    layers = [name for name in settings.MIDDLEWARE if not name.startswith("csp.")]
    assert found(MIDDLEWARE=layers) == ["tracker.E007"]


@pytest.mark.parametrize("origin", ["*", "null"])
def test_e005_finds_origins_that_let_any_page_in(origin: str) -> None:
    """R34"""
    assert found(STOREFRONT_ORIGINS=frozenset({origin})) == ["tracker.E005"]


def test_e006_finds_an_intake_that_does_not_exist() -> None:
    assert found(INTAKE_URL="kafka://localhost") == ["tracker.E006"]


def test_w002_finds_a_journal_in_memory() -> None:
    given = {**PRODUCTION, "INTAKE_URL": "journal:///dev/shm/never-made"}
    assert "tracker.W002" in manage("check", "--deploy", **given).stderr


def test_w001_finds_a_secret_of_one_machine_in_production() -> None:
    given = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}
    assert "tracker.W001" in manage("check", "--deploy", **given).stderr
