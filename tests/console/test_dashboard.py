"""The dashboard: its figures agree with the tables, and cost the same at any size."""

import os
import random
import re
import socket
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.live import ROOT
from tracker.adds import Add, Record
from tracker.console.dashboard import figures, intake_state
from tracker.console.dashboard.figures import WINDOWS, Added, Carts, Limits, Span, Window
from tracker.console.dashboard.page import change
from tracker.intake.contract import Unavailable
from tracker.intake.journal.intake import JournalIntake
from tracker.models import Cart, DeadLetter, Item
from tracker.rows import erasure
from tracker.rows import merge as store

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 14, 37, 21, 500, tzinfo=UTC)
CARTS = [UUID(int=number, version=4) for number in range(1, 15)]
# Where one window, state or day ends and another begins, in minutes before NOW.
EDGES = [0, 7, 37, 120, 127, 128, 1437, 1440, 1447, 2880, 2887, 7 * 1440, 14 * 1440, 30 * 1440]

every_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)


def version(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def add(
    *, at: datetime = NOW, cart_id: UUID = CARTS[0], product_id: str = "a", **members: Any
) -> Record:
    return Record(Add(cart_id, product_id, **members), version(at))


def some_record(chance: random.Random) -> Record:
    minutes = chance.choice([chance.choice(EDGES), chance.randrange(65 * 1440)])
    at = NOW - timedelta(minutes=minutes, seconds=chance.randrange(60))
    price = chance.choice([0, 1, 250, 10**10])
    return add(at=at, cart_id=chance.choice(CARTS), product_id=chance.choice("abcdef"), price=price)


@pytest.fixture(params=range(2))
def history(request: pytest.FixtureRequest) -> None:
    """Merge batches of adds of the last 65 days, some twice, and erase two carts."""
    chance = random.Random(request.param)
    batches = [[some_record(chance) for _ in range(12)] for _ in range(10)]
    for batch in [*batches, *chance.sample(batches, 3)]:
        store.merge(batch)
    for cart in chance.sample(list(Cart.objects.all()), 2):
        erasure.erase(cart.id)


def counted(span: Span) -> Added:
    """Count the rows one by one."""
    items = [each for each in Item.objects.all() if span.start <= each.created_at < span.end]
    carts = [each for each in Cart.objects.all() if span.start <= each.created_at < span.end]
    return Added(len(items), len(carts))


@every_window
def test_the_numbers_of_new_items_and_carts_agree_with_the_rows(
    history: None, window: Window
) -> None:
    span = Span.of(window, NOW)
    series = figures.series(span, window.step)
    for step, added in series:
        assert added == counted(step)
    assert sum(added.items for _, added in series) == figures.added(span).items == counted(span)[0]
    assert figures.added(span.before()) == counted(span.before())


@every_window
def test_the_states_of_carts_agree_with_the_rows(history: None, window: Window) -> None:
    limits = Limits.at(NOW)
    found = figures.carts_by_state(limits, window.length)
    active, stale = limits.active_since, limits.stale_before
    late = datetime(9999, 1, 1, tzinfo=UTC)
    assert found == {
        "active": seen(active, late),
        "idle": seen(stale, active),
        "stale": seen(datetime(1970, 1, 1, tzinfo=UTC), stale),
        "newly_stale": seen(stale - window.length, stale),
    }


def seen(start: datetime, end: datetime) -> Carts:
    found = [cart for cart in Cart.objects.all() if start <= cart.updated_at < end]
    prices = Item.objects.filter(cart__in=found).values_list("price", flat=True)
    return Carts(len(found), Decimal(sum(price or 0 for price in prices)))


@every_window
def test_the_top_products_agree_with_the_rows(history: None, window: Window) -> None:
    span = Span.of(window, NOW)
    items = Item.objects.filter(created_at__gte=span.start, created_at__lt=span.end)
    found = Counter(item.product_id for item in items)
    expected = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    assert figures.top_products(span) == (expected, len(items), len(items))


def test_the_top_products_of_many_items_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample is spread over the whole span."""
    monkeypatch.setattr(figures, "SAMPLE_ITEMS", 200)
    monkeypatch.setattr(figures, "SAMPLE_POINTS", 20)
    start = NOW - timedelta(hours=20)
    for number in range(1000):
        product = "early" if number < 400 else "late" if number % 4 else "rare"
        at = start + timedelta(minutes=number)
        store.merge([add(at=at, cart_id=uuid4(), product_id=product)])
    top = figures.top_products(Span.of(figures.WINDOWS["24h"], NOW))
    assert (top.items_read, top.items) == (200, 1000)
    assert [name for name, _ in top.products] == ["late", "early", "rare"]
    for (_, estimate), exact in zip(top.products, (450, 400, 150), strict=True):
        assert abs(estimate - exact) <= 60


@every_window
def test_a_window_ends_now_and_is_as_long_as_it_says(window: Window) -> None:
    span = Span.of(window, NOW)
    steps = [step for step, _ in figures.series(span, window.step)]
    assert span.end == datetime(2026, 11, 22, 14, 40, tzinfo=UTC)
    assert span.end - span.start == window.length
    assert (steps[0].start, steps[-1].end) == (span.start, span.end)
    assert all(one.end == next_.start for one, next_ in pairwise(steps))
    assert all(step.start == figures.floor(step.start, window.step) for step in steps[1:])


def test_a_sum_of_more_than_64_bits_is_shown(admin_client: Client) -> None:
    """Shops may send the highest price as often as they like."""
    price, at = 2**53 - 1, timezone.now()
    for hours in (1, 5):
        cart_id = uuid4()
        then = at - timedelta(hours=hours)
        adds = [Add(cart_id, f"p{n}", price=price) for n in range(600)]
        store.merge([Record(each, version(then) + n) for n, each in enumerate(adds)])
    found = figures.carts_by_state(Limits.at(at), timedelta(days=1))
    assert float(found["idle"].value) == pytest.approx(600 * price)
    assert admin_client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("number", "before", "words"),
    [
        (0, 0, "as many as in the 7 days before"),
        (5, 0, "up from 0 in the 7 days before"),
        (150, 100, "up 50 % from 100 in the 7 days before"),
        (900, 1000, "down 10 % from 1,000 in the 7 days before"),
        (1001, 1000, "up from 1,000 in the 7 days before"),
        (10**6, 2, "up from 2 in the 7 days before"),
    ],
)
def test_a_change_is_described_in_words(number: int, before: int, words: str) -> None:
    assert change(number, before, "7 days")["change"] == words


# -- The page --------------------------------------------------------------------------------------


def text(client: Client, query: str = "", status: int = 200) -> str:
    page = client.get(f"/admin/{query}")
    assert page.status_code == status
    return str(page.content.decode())


def figure(page: str, name: str) -> str:
    found = re.search(rf"<dt>{name}</dt><dd><b>([^<]*)</b>", page)
    assert found, f"{name} is not on the page"
    return found[1]


def state(page: str, name: str) -> list[str]:
    found = re.search(rf'state-{name}">.*?</tr>', page, re.DOTALL)
    assert found
    return re.findall(r'<td class="number">([^<]*)</td>', found[0])


def fill(carts: int, *, items: int = 2, hours: float = 0.0) -> None:
    at = timezone.now() - timedelta(hours=hours)
    for _ in range(carts):
        cart_id = uuid4()
        store.merge([add(at=at, cart_id=cart_id, product_id=f"p{n}") for n in range(items)])


def test_the_page_has_the_figures_of_each_window(admin_client: Client) -> None:
    fill(2)
    fill(3, hours=3 * 24)
    fill(4, hours=20 * 24)
    for name, carts in (("24h", 2), ("7d", 5), ("30d", 9)):
        page = text(admin_client, f"?window={name}")
        assert figure(page, "New carts") == str(carts)
        assert figure(page, "Items added") == str(2 * carts)
        assert f'<a href="?window={name}" aria-current="page">' in page
        assert [state(page, each)[0] for each in ("active", "idle", "stale")] == ["2", "0", "7"]
    assert "up 200 % from 3 in the 7 days before" not in text(admin_client)


def test_a_window_is_compared_with_the_one_before(admin_client: Client) -> None:
    fill(3, hours=1)
    fill(2, hours=30)
    assert "up 50 % from 4 in the 24 hours before" in text(admin_client)


def test_the_default_is_a_day_and_another_window_is_refused(admin_client: Client) -> None:
    assert '<a href="?window=24h" aria-current="page">' in text(admin_client)
    for name in ("1y", "", "24H", "%00", "%3Cscript%3E"):
        assert "There is no window" in text(admin_client, f"?window={name}", status=400)


def test_an_empty_database_says_nothing_yet(admin_client: Client) -> None:
    for name in WINDOWS:
        page = text(admin_client, f"?window={name}")
        assert page.count("Nothing yet") == 3
        assert figure(page, "Items added") == "0"
        assert "0.00 USD" in page


def queries(client: Client, query: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert text(client, query)
    return [each["sql"] for each in captured.captured_queries]


@pytest.mark.parametrize("name", WINDOWS)
def test_the_page_reads_only_tallies_and_costs_the_same_at_any_size(
    admin_client: Client, name: str
) -> None:
    fill(2)
    few = queries(admin_client, f"?window={name}")
    for hours in range(0, 200, 7):
        fill(2, items=12, hours=hours)
    many = queries(admin_client, f"?window={name}")
    assert len(few) == len(many)
    ours = [sql for sql in many if "tracker_" in sql]
    assert len(ours) <= 6
    rows = [sql for sql in ours if re.search(r"tracker_(item|cart)\b", sql)]
    assert [f"LIMIT {figures.SAMPLE_ITEMS}" in sql for sql in rows] == [True]


def test_products_are_escaped_and_link_to_their_items(admin_client: Client) -> None:
    store.merge([add(at=timezone.now(), product_id='<b>&"/?x=1')])
    page = text(admin_client)
    assert "<b>&amp;" not in page
    assert "&lt;b&gt;&amp;&quot;/?x=1</a>" in page
    links = re.findall(r'href="(/admin/tracker/item/\?q=[^"]*)"', page)
    assert links == ["/admin/tracker/item/?q=%3Cb%3E%26%22%2F%3Fx%3D1"]
    assert "&lt;b&gt;" in admin_client.get(links[0]).content.decode()


def test_the_charts_need_no_inline_style_or_script(admin_client: Client) -> None:
    fill(3)
    page = text(admin_client)
    assert "<svg" in page
    assert " style=" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)


# -- Permissions -----------------------------------------------------------------------------------


def staff(*permissions: str, group: str = "") -> Client:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    user.groups.set(Group.objects.filter(name=group))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("permissions", [(), ("view_cart",), ("view_user",)])
def test_without_the_permission_the_page_says_so(permissions: tuple[str, ...]) -> None:
    fill(1)
    page = text(staff(*permissions))
    assert "may not see the figures" in page
    assert "Items added" not in page


def test_support_sees_the_figures() -> None:
    page = text(staff(group="Support"))
    assert figure(page, "Items added") == "0"
    assert "/admin/tracker/cart/?state=stale" in page


def test_a_link_is_shown_only_with_the_permission_for_its_page() -> None:
    page = text(staff("view_item"))
    assert figure(page, "Items added") == "0"
    assert "/admin/tracker/cart/" not in page


def test_the_menu_marks_the_dashboard_as_current_only_there(admin_client: Client) -> None:
    marked = re.compile(r'<tr class="model-dashboard current-model">')
    assert marked.search(text(admin_client))
    items = admin_client.get("/admin/tracker/item/").content.decode()
    assert '<tr class="model-dashboard">' in items
    assert not marked.search(items)


# -- The intake ------------------------------------------------------------------------------------


def test_an_unreachable_intake_is_reported_beside_the_figures(
    admin_client: Client, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for url in ("valkey://127.0.0.1:1", f"journal://{tmp_path}/file"):
        settings.SERVED_INTAKE_URL = url
        page = text(admin_client)
        assert "can&rsquo;t be reached" in page
        assert figure(page, "Items added") == "0"


def test_an_intake_that_hangs_is_not_waited_for() -> None:
    """Ask more often than there are threads."""
    with socket.create_server(("127.0.0.1", 0)) as server:  # Accepts connections and never answers.
        url = f"valkey://127.0.0.1:{server.getsockname()[1]}"
        for _ in range(4):
            with pytest.raises(Unavailable, match="does not answer"):
                intake_state.backlog(url, within_s=0.01)


def test_the_backlog_of_a_journal_is_counted(
    admin_client: Client, settings: Any, tmp_path: Path
) -> None:
    settings.SERVED_INTAKE_URL = f"journal://{tmp_path}/journal"
    journal = JournalIntake(urlsplit(settings.SERVED_INTAKE_URL))
    journal.accept(*[Add(CARTS[0], f"p{n}") for n in range(1234)])
    page = text(admin_client)
    journal.close()
    assert figure(page, "Waiting in the journal") == "1,234"


def test_with_direct_writes_nothing_waits(admin_client: Client, settings: Any) -> None:
    settings.SERVED_INTAKE_URL = "database://"
    assert "nothing waits" in text(admin_client)


def refused(page: str, code: str) -> int:
    found = re.search(rf'<code>{code}</code>.*?<td class="number">([\d,]+)</td>', page)
    return int(found[1].replace(",", "")) if found else 0


def test_refusals_are_counted_by_code(admin_client: Client, settings: Any) -> None:
    before = refused(text(admin_client), "blank")
    for _ in range(3):
        admin_client.post("/items", {"product_id": ""}, content_type="application/json")
    assert refused(text(admin_client), "blank") == before + 3
    settings.SERVES_STOREFRONT = False
    assert "see /metrics there" in text(admin_client)


def test_refusals_of_all_processes_are_added_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    code = "import django; django.setup(); from tracker.counters import REFUSED"
    for counted in ({"blank": 1}, {"blank": 2, "wrong_type": 4}):
        line = code + "".join(f"; REFUSED.labels({each!r}).inc({n})" for each, n in counted.items())
        subprocess.run(
            [sys.executable, "-c", line],
            check=True,
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "core.settings"},
        )
    assert list((intake_state.refusals() or {}).items()) == [("wrong_type", 4), ("blank", 3)]


def test_the_page_works_without_the_numbers_of_refusals(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))
    assert "can&rsquo;t be read now" in text(admin_client)


def test_dead_letters_are_counted(admin_client: Client) -> None:
    for number in range(3):
        DeadLetter.store(f"record {number}", "too long")
    assert figure(text(admin_client), "Dead letters") == "3"
