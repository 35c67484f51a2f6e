"""The database's accounts of docs/deployment.md can do their work, and no more than that."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg2
import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.conftest import migrate
from tests.support.console_urls import client_of, every_url, make_rows
from tests.support.guides import block, statements
from tests.support.parts import drain_process
from tests.support.postgres import Postgres
from tracker.adds import Add, Record
from tracker.intake import dead_letters as deadletters
from tracker.intake.journal.intake import JournalIntake
from tracker.models import Cart, DeadLetter, Item, Tombstone
from tracker.rows import erasure, purge
from tracker.rows import merge as store

pytestmark = pytest.mark.postgresql

ROLES = statements(block("sql", "CREATE ROLE"))
RIGHTS = statements(block("sql", "GRANT SELECT"))
OWNER, SERVICE, DRAIN = "cart_tracker_owner", "cart_tracker", "cart_tracker_drain"
DATABASE = "cart_tracker"
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[Callable[[str], str]]:
    """The database of the guide, made by its owner, with the rights for the others."""
    for statement in ROLES:
        postgres.execute(statement)

    def of(account: str) -> str:
        return postgres.url(DATABASE).replace("postgres@", f"{account}@")

    migrate(of(OWNER))
    for _ in range(2):  # The guide says that this may be repeated.
        run(of(OWNER), *RIGHTS)
    yield of
    postgres.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    for account in (SERVICE, DRAIN, OWNER):
        postgres.execute(f"DROP ROLE {account}")


def run(url: str, *statements: str) -> list[Any]:
    """Returns the rows of the last one."""
    connected = psycopg2.connect(url)
    try:
        connected.autocommit = True
        with connected.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connected.close()


def test_a_drain_can_merge_and_keep_what_is_refused(
    url: Callable[[str], str], tmp_path: Path
) -> None:
    intake_url = f"journal://{tmp_path}"
    journal = JournalIntake(urlsplit(intake_url))
    cart = uuid4()
    journal.accept(Add(cart, "sku-1", price=5), Add(cart, "sku-2"), Add(cart, "bad", price=-1))
    journal.accept(Add(cart, "sku-1", price=7))
    journal.close()
    with drain_process(url(DRAIN), intake_url, "--once") as drain:
        assert drain.wait(20) == 0
    query = "SELECT value, item_count, (SELECT count(*) FROM tracker_deadletter) FROM tracker_cart"
    assert run(url(OWNER), query) == [(7, 2, 1)]


@pytest.mark.parametrize(
    ("account", "statement"),
    [
        (DRAIN, "SELECT * FROM auth_user"),
        (DRAIN, "SELECT * FROM django_session"),
        (DRAIN, "DELETE FROM tracker_item"),
        (DRAIN, "SELECT * FROM console_auditentry"),
        (SERVICE, "DELETE FROM console_auditentry"),
        (SERVICE, "UPDATE console_auditentry SET username = 'somebody else'"),
        (SERVICE, "DELETE FROM tracker_tombstone"),
        (SERVICE, "DROP TABLE tracker_item"),
        (SERVICE, "CREATE TABLE mine (id int)"),
        (SERVICE, "ALTER TABLE tracker_cart DISABLE TRIGGER ALL"),
    ],
)
def test_an_account_can_do_no_more(url: Callable[[str], str], account: str, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(url(account), statement)


# -- The service's account, in the tests' own database, until the test's end -----------------------
@pytest.fixture
def as_service(url: Callable[[str], str], db: None) -> None:
    make_rows()
    client_of("superuser")  # Makes the account.
    with connection.cursor() as cursor:
        for statement in RIGHTS:
            cursor.execute(statement)
        cursor.execute(f"SET LOCAL ROLE {SERVICE}")


def console(**options: Any) -> Client:
    client = Client(raise_request_exception=True, **options)
    client.force_login(User.objects.get(username="superuser"))
    return client


@pytest.mark.usefixtures("as_service")
def test_every_page_of_the_console_can_be_read() -> None:
    client = console()
    for each in every_url():
        assert client.get(each.path).status_code < 500, each.path


@pytest.mark.usefixtures("as_service")
def test_people_can_log_in_and_be_locked_out() -> None:
    User.objects.create_user("newcomer", password=PASSWORD, is_staff=True)
    login = {"username": "newcomer", "password": PASSWORD}
    assert Client().post(reverse("admin:login"), login).status_code == 302
    bad = login | {"password": "wrong"}
    assert [Client().post(reverse("admin:login"), bad).status_code for _ in range(5)][-1] == 429
    call_command("axes_reset", verbosity=0)
    call_command("clearsessions")
    assert Client().post(reverse("admin:login"), login).status_code == 302


@pytest.mark.usefixtures("as_service")
def test_accounts_and_groups_can_be_looked_after() -> None:
    may_view = Permission.objects.get(codename="view_cart")
    submit("admin:auth_group_add", name="Night shift", permissions=[may_view.pk])
    group = Group.objects.get(name="Night shift")
    submit("admin:auth_group_change", group.pk, name="Day shift", permissions=[])
    passwords = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    submit("admin:auth_user_add", username="newcomer", **passwords)
    user = User.objects.get(username="newcomer")
    about = {"username": "newcomer", "date_joined_0": "2026-11-23", "date_joined_1": "08:00:00"}
    submit(
        *("admin:auth_user_change", user.pk),
        **about | {"groups": [group.pk], "user_permissions": [may_view.pk]},
    )
    submit("admin:auth_user_change", user.pk, **about)
    submit("admin:auth_group_delete", group.pk, post="yes")
    submit("admin:auth_user_delete", user.pk, post="yes")
    assert not User.objects.filter(username="newcomer").exists()


def submit(page: str, /, *args: Any, **form: Any) -> None:
    """Fails the test if the form is not taken."""
    assert console().post(reverse(page, args=args), form).status_code == 302, page


@pytest.mark.usefixtures("as_service")
def test_carts_can_be_erased_and_purged_and_dead_letters_settled() -> None:
    cart = UUID(int=7)
    store.merge([Record(Add(cart, "sku-1", price=5), 1)])
    assert purge.count(datetime.now(UTC)).carts > 0
    call_command("erase", cart=str(cart), reason="a customer's request", yes=True, operator="me")
    assert Tombstone.objects.filter(cart_id=cart).exists()
    assert erasure.erase(cart) == (0, 0, 0)
    assert deadletters.replay(DeadLetter.objects.get()) is deadletters.Result.REFUSED
    call_command("deadletters", "discard", yes=True)
    assert sum(batch.carts for batch in purge.purge(datetime.now(UTC))) > 0
    assert not Cart.objects.exists()
    assert not Item.objects.exists()


@pytest.mark.usefixtures("as_service")
def test_the_list_of_erased_carts_can_be_taken_for_a_backup() -> None:
    erasure.erase(UUID(int=7))
    [query] = [
        line.partition(r"\copy (")[2].partition(") TO")[0]
        for line in block("sh", "pg_dump").splitlines()
        if r"\copy" in line
    ]
    with connection.cursor() as cursor:
        cursor.execute(query)
        assert cursor.fetchall() == [(UUID(int=7),)]


def test_a_merge_of_the_service_is_that_of_a_drain(as_service: None) -> None:
    """The console's account has the drain's rights: `serve` without a role does both."""
    record = Record(Add(uuid4(), "sku-1", price=5), time.time_ns())
    assert store.merge([record]) == (1, 0, 0)
