"""Every failure is a readable page in the console's frame, with the right status."""

import re
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import psycopg2
import pytest
from django.contrib.auth.models import User
from django.db import DataError, IntegrityError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path

from core.urls import urlpatterns as real_patterns
from tests.conftest import migrate
from tests.console.test_headers import Inline
from tests.support.console_urls import client_of, make_rows
from tests.support.live import Server
from tests.support.postgres import Postgres
from tracker.console.frame.site import ConsoleSite

PASSWORD = "correct horse battery staple"
# What a page about a failure must not contain.
TELLS = re.compile(
    r"Traceback|File \"|\.py\b|SELECT|FROM |django\.|psycopg2|Error\b|127\.0\.0\.1|postgres|"
    r"tracker_|SECRET|DATABASE|site-packages|statement"
)


class Page(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def assert_readable(page: Any, status: int, says: str) -> None:
    """`page` is a Page, or a reply of Django's test client."""
    text = page.text if isinstance(page, Page) else page.content.decode()
    found = page.status if isinstance(page, Page) else page.status_code
    assert found == status, text
    assert says in text
    assert 'id="header"' in text
    assert "Cart Tracker" in text
    assert "console/console.css" in text
    main = text.partition("<main")[2].partition("</main>")[0]
    assert not TELLS.search(main), TELLS.search(main)
    assert Inline(text).found == []
    assert "no-store" in page.headers["Cache-Control"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


# -- While the database answers -------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("tracker/cart/00000000-0000-4000-8000-000000000005/change/", 404, "There is no cart"),
        ("tracker/cart/nonsense/change/", 404, "There is no cart nonsense"),
        ("tracker/item/00000000-0000-4000-8000-000000000005/change/", 404, "There is no item"),
        ("tracker/item/nonsense/change/", 404, "There is no item nonsense"),
        ("tracker/item/nonsense/history/", 404, "There is no item nonsense"),
        ("no/such/page/", 404, "Not found"),
        ("tracker/cart/?after=xyz", 400, "begin at the first page"),
        ("tracker/item/?before=xyz", 400, "begin at the first page"),
        ("tracker/item/?after=W10", 400, "begin at the first page"),
        ("tracker/item/?after=" + "9" * 5000, 400, "begin at the first page"),
        ("tracker/cart/?_to_field=id;drop", 400, "no parameter “_to_field”"),
        ("auth/user/?password__startswith=a", 400, "no parameter “password__startswith”"),
        ("tracker/cart/add/", 403, "may not do this"),
    ],
)
def test_a_wrong_address_is_explained(address: str, status: int, says: str) -> None:
    page = client_of("superuser").get(f"/admin/{address}")
    assert_readable(page, status, says)
    assert "Log out" in page.content.decode()  # The whole frame, with this account's menu.


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        *("auth/user/", "console/auditentry/", "find/"),
        # Not 404: accounts without the permission are not told what exists.
        *("tracker/item/nonsense/change/", "tracker/item/nonsense/history/"),
    ],
)
def test_a_missing_permission_is_explained(address: str) -> None:
    page = client_of("staff").get(f"/admin/{address}")
    assert_readable(page, 403, "Ask an administrator for the permission")


@pytest.mark.django_db
def test_a_bad_key_of_a_content_type_is_a_page() -> None:
    """Django's own view does not catch the error of a bad UUID."""
    make_rows()
    page = client_of("staff").get("/admin/r/1/nonsense/")
    assert page.status_code in (400, 404)
    assert 'id="header"' in page.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
def test_other_methods_are_refused(method: str) -> None:
    page = client_of("superuser").generic(method, "/admin/")
    assert_readable(page, 405, "pages take GET")
    assert page["Allow"] == "GET, HEAD, POST"


@pytest.mark.django_db
def test_a_form_without_its_token_is_explained() -> None:
    page = client_of("superuser", enforce_csrf_checks=True).post("/admin/password_change/")
    assert_readable(page, 403, "Nothing was changed")


# -- Errors of the database, as its driver raises them --------------------------------------------


def raises(error: Exception) -> Any:
    def view(request: HttpRequest) -> HttpResponse:
        raise error

    return ConsoleSite().admin_view(view)


_NO_REACH = OperationalError('connection to server at "127.0.0.1" failed: FATAL: password "x"')
urlpatterns = [
    path("admin/no-reach/", raises(_NO_REACH)),
    path("admin/data/", raises(DataError("invalid input syntax: SELECT 1 FROM tracker_item"))),
    path("admin/fault/", raises(IntegrityError("duplicate key of tracker_item"))),
    path("admin/value/", raises(ValueError("a fault of ours"))),
    *real_patterns,
]
handler500 = "tracker.console.frame.failures.server_error"


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("/admin/no-reach/", 503, "The database does not answer"),
        ("/admin/data/", 400, "That address is not right"),
        ("/admin/fault/", 500, "Something went wrong"),
        ("/admin/value/", 500, "Something went wrong"),
        ("/admin/value/?x=%00", 400, "That address is not right"),
    ],
)
def test_an_error_page_does_not_quote_the_database(
    address: str, status: int, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    page = client_of("superuser").get(address)
    assert_readable(page, status, says)
    assert bool(caplog.records) == (status >= 500)
    assert ("Retry-After" in page) == (status == 503)


# -- A database that is away -----------------------------------------------------------------------


class Browser:
    """A person with cookies, at the console of a running server."""

    def __init__(self, server: Server) -> None:
        self._root = f"http://127.0.0.1:{server.port}"
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, address: str) -> Page:
        return self._open(address, None)

    def post(self, address: str, token: str, **form: str) -> Page:
        return self._open(address, urlencode({"csrfmiddlewaretoken": token, **form}).encode())

    def login(self) -> Page:
        form = {"username": "alice", "password": PASSWORD, "next": "/admin/"}
        return self.post("/admin/login/", self.token(), **form)

    def token(self) -> str:
        found = re.search(r'csrfmiddlewaretoken" value="(\w+)"', self.get("/admin/login/").text)
        assert found
        return found[1]

    def _open(self, address: str, data: bytes | None) -> Page:
        try:
            reply = self._opener.open(self._root + address, data, timeout=30)
        except HTTPError as error:
            reply = error
        with reply:
            return Page(reply.status, dict(reply.headers), reply.read().decode())


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.remove()


@pytest.mark.postgresql
def test_the_database_goes_away_and_comes_back(
    own_postgres: Postgres, serve: Callable[..., Server]
) -> None:
    url = own_postgres.url("postgres")
    migrate(url)
    _make_account(url)
    live = serve(DATABASE_URL=url)
    alice, stranger = Browser(live), Browser(live)
    assert alice.login().status == 200
    token = stranger.token()

    own_postgres.stop()
    for address in ("/admin/", "/admin/tracker/cart/", "/admin/find/?q=x", "/admin/live/"):
        page = alice.get(address)
        assert_readable(page, 503, "The database does not answer")
        assert int(page.headers["Retry-After"]) > 0
    # The form needs no database, but sending it does.
    assert stranger.get("/admin/login/").status == 200
    sent = stranger.post("/admin/login/", token, username="alice", password=PASSWORD)
    assert_readable(sent, 503, "The database does not answer")

    own_postgres.start()
    assert alice.get("/admin/tracker/cart/").status == 200
    assert stranger.login().status == 200


def _make_account(url: str) -> None:
    """Make a superuser in the server's database, which is not the one of this test."""
    from django.contrib.auth.hashers import make_password

    account = User(username="alice", password=make_password(PASSWORD), is_staff=True)
    account.is_superuser = True
    columns = {
        field.column: field.get_prep_value(getattr(account, field.attname))
        for field in User._meta.concrete_fields
        if not field.primary_key
    }
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    connected = psycopg2.connect(url)
    with connected, connected.cursor() as cursor:
        cursor.execute(f"INSERT INTO auth_user ({names}) VALUES ({marks})", list(columns.values()))
    connected.close()
