"""An address that guesses passwords is locked out soon, and nobody else is."""

import re
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt  # type: ignore[import-untyped]
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIRequest
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.urls import reverse
from freezegun import freeze_time

from core.server.http.parser import Request, RequestParser
from tests.console.test_failures import assert_readable
from tests.support.console_urls import client_of
from tracker.console.frame.lockout import client_address

PASSWORD = "correct horse battery staple"
LIMIT = 5
PROXY, STAFF, GUESSER = "10.0.0.1", "192.0.2.10", "203.0.113.66"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def accounts() -> None:
    for name in ("alice", "bob"):
        User.objects.create_user(name, password=PASSWORD, is_staff=True)


def login(name: str = "alice", password: str = "wrong", address: str = GUESSER, **meta: Any) -> Any:
    """Try to log in, in a new browser. `meta` is added to the request, like X-Forwarded-For."""
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address, **meta).post(reverse("admin:login"), form)


def guess(times: int, **request: str) -> list[int]:
    return [login(**request).status_code for _ in range(times)]


def test_the_fifth_failure_locks_and_even_the_right_password_has_to_wait() -> None:
    assert guess(LIMIT) == [200] * (LIMIT - 1) + [429]
    assert login(password=PASSWORD).status_code == 429


def test_nobody_else_is_locked_out() -> None:
    """The same account from elsewhere and other accounts at the same address still log in."""
    guess(LIMIT)
    assert login(password=PASSWORD, address=STAFF).status_code == 302
    assert login("bob", PASSWORD).status_code == 302


def test_the_lock_opens_by_itself_after_the_time_it_names() -> None:
    with freeze_time("2026-11-23 12:00:00") as clock:
        guess(LIMIT)
        reply = login(password=PASSWORD)
        assert reply["Retry-After"] == "900"
        clock.tick(timedelta(seconds=899))
        assert login(password=PASSWORD).status_code == 429
        clock.tick(timedelta(seconds=2))
        assert login(password=PASSWORD).status_code == 302


def test_more_guesses_neither_prolong_the_lock_nor_add_rows() -> None:
    with freeze_time("2026-11-23 12:00:00") as clock:
        guess(LIMIT)
        clock.tick(timedelta(seconds=600))
        before = AccessAttempt.objects.values().get()
        guess(20)
        assert AccessAttempt.objects.values().get() == before
        clock.tick(timedelta(seconds=301))
        assert login(password=PASSWORD).status_code == 302


def test_a_login_forgets_what_was_mistyped_before() -> None:
    guess(LIMIT - 1)
    assert login(password=PASSWORD).status_code == 302
    assert guess(LIMIT - 1) == [200] * (LIMIT - 1)


def test_many_names_from_one_address_lock_the_address(settings: Any) -> None:
    settings.LOCKOUT_FAILURES_PER_ADDRESS = 12
    assert [login(f"guess-{number}").status_code for number in range(12)] == [200] * 12
    assert login("bob", PASSWORD).status_code == 429
    assert login("bob", PASSWORD, address=STAFF).status_code == 302


def test_logging_in_does_not_allow_more_guesses_at_other_accounts(settings: Any) -> None:
    settings.LOCKOUT_FAILURES_PER_ADDRESS = 12
    for number in range(12):
        login(f"guess-{number}")
        if number < 11:
            assert login("bob", PASSWORD).status_code == 302
    assert login("bob", PASSWORD).status_code == 429


def test_guesses_with_several_user_agents_are_counted_together() -> None:
    agents = [f"browser {number}" for number in range(LIMIT)]
    assert [login(HTTP_USER_AGENT=agent).status_code for agent in agents][-1] == 429


def test_the_page_is_readable_and_in_the_consoles_frame() -> None:
    guess(LIMIT)
    assert_readable(login(), 429, "15 minutes")


def test_accounts_that_exist_are_treated_like_those_that_do_not() -> None:
    User.objects.create_user("shut", password=PASSWORD, is_staff=True, is_active=False)
    User.objects.create_user("customer", password=PASSWORD)
    seen = {}
    for name in ("alice", "nobody", "shut", "customer"):
        replies = [login(name) for _ in range(LIMIT + 1)]
        texts = [_without_token(reply.content.decode().replace(name, "")) for reply in replies]
        seen[name] = [reply.status_code for reply in replies], texts
    assert all(found == seen["nobody"] for found in seen.values())


def _without_token(text: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)


def test_a_script_gets_the_same_page_and_no_cors_header() -> None:
    """By default axes answers scripts with JSON that any other site's page may read."""
    guess(LIMIT)
    reply = login(HTTP_X_REQUESTED_WITH="XMLHttpRequest")
    assert reply.status_code == 429
    assert "Access-Control-Allow-Origin" not in reply
    assert "alice" not in reply.content.decode()


def test_a_session_survives_guesses_at_its_account() -> None:
    client = client_of("support")
    guess(LIMIT, name="support", address="127.0.0.1")
    assert client.get(reverse("admin:tracker_cart_changelist")).status_code == 200


@pytest.mark.parametrize(
    "command", [("axes_reset",), ("axes_reset_username", "alice"), ("axes_reset_ip", GUESSER)]
)
def test_an_administrator_can_open_it_at_once(command: tuple[str, ...]) -> None:
    guess(LIMIT)
    call_command(*command, verbosity=0)
    assert login(password=PASSWORD).status_code == 302


def test_no_password_is_kept() -> None:
    login(password="a secret that was mistyped")
    kept = AccessAttempt.objects.values().get()
    assert "secret" not in str(kept)


def test_the_tables_of_axes_are_not_in_the_menu() -> None:
    page = client_of("superuser").get(reverse("admin:index")).content.decode()
    assert "/admin/axes" not in page
    assert client_of("superuser").get("/admin/axes/accessattempt/").status_code == 404


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "address"),
    [
        # No proxy: the client may have invented the header.
        (0, None, GUESSER, GUESSER),
        (0, STAFF, GUESSER, GUESSER),
        # One proxy: it wrote the last entry, the client sent those before.
        (1, GUESSER, PROXY, GUESSER),
        (1, f"{STAFF}, {GUESSER}", PROXY, GUESSER),
        (1, f"{STAFF},{STAFF},{GUESSER}", PROXY, GUESSER),
        (1, f" {STAFF} ,  {GUESSER} ", PROXY, GUESSER),
        # Two: the outer one's entry is the last but one.
        (2, f"{STAFF}, {GUESSER}, 10.0.0.2", PROXY, GUESSER),
        # Too few entries, or no address where the proxy's should be: the peer.
        (1, None, PROXY, PROXY),
        (1, "", PROXY, PROXY),
        (2, GUESSER, PROXY, PROXY),
        (1, "unknown", PROXY, PROXY),
        (1, f"{STAFF}, <script>", PROXY, PROXY),
        (1, "999.1.1.1", PROXY, PROXY),
        # As some proxies write it.
        (1, f"{GUESSER}:4711", PROXY, GUESSER),
        (1, "[2001:db8:1:2:3:4:5:6]:4711", PROXY, "2001:db8:1:2::"),
        # A client has 2**64 addresses of IPv6.
        (1, "2001:db8:1:2:3:4:5:6", PROXY, "2001:db8:1:2::"),
        (0, None, "2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        (0, None, "::ffff:203.0.113.66", GUESSER),
        (0, None, "fe80::1%eth0", "fe80::"),
        (0, None, "", None),
    ],
)
def test_the_address_that_an_attempt_counts_for(
    proxies: int, forwarded: str | None, peer: str, address: str | None, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=peer)
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    assert client_address(request) == address


@pytest.mark.parametrize("proxies", [0, 1])
def test_an_invented_address_does_not_move_the_lock(proxies: int, settings: Any) -> None:
    """The guesser claims other addresses, also a colleague's, and is locked out alone."""
    settings.TRUSTED_PROXIES = proxies
    settings.SECURE_SSL_REDIRECT = False

    def from_(address: str, invented: str = "") -> dict[str, str]:
        said = [invented] if invented else []
        if proxies:
            return {"address": PROXY, "HTTP_X_FORWARDED_FOR": ", ".join([*said, address])}
        return {"address": address} | ({"HTTP_X_FORWARDED_FOR": invented} if invented else {})

    inventions = [STAFF, "127.0.0.1", f"{STAFF}, {STAFF}", "2001:db8::1", "unknown", STAFF]
    statuses = [login(**from_(GUESSER, invented)).status_code for invented in inventions]
    assert statuses[LIMIT - 1 :] == [429, 429]
    assert login(password=PASSWORD, **from_(STAFF)).status_code == 302


def test_two_header_lines_are_one_list(settings: Any) -> None:
    """A proxy may add a second header line instead of extending the first."""
    settings.TRUSTED_PROXIES = 1
    parser = RequestParser({}, max_upload_bytes=0)
    parser.receive(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.1\r\n"
        b"X-Forwarded-For: %b\r\n\r\n" % GUESSER.encode()
    )
    request = parser.next_event()
    assert isinstance(request, Request)
    assert client_address(WSGIRequest(request.environ)) == GUESSER
