"""Names that Django and axes may take away: each is there, and does what the code expects.

A check that fails shows its docstring: where the name is used, and why.
"""

import inspect
import re
from collections.abc import Callable

import pytest
from axes.models import AccessAttempt  # type: ignore[import-untyped]
from django.contrib.admin import ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.management import create_permissions
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse

from tests.support.live import ROOT
from tracker.models import Cart

PAGE = (ROOT / "docs" / "performance.md").read_text()


def parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


def response_headers_store() -> None:
    """core/handler.py reads _store of Django's response headers: items() takes 7.6 % of a POST."""
    headers = HttpResponse(headers={"X-One": "1", "x-two": "2"}).headers
    assert list(headers._store.values()) == list(headers.items())


def request_and_exceptions() -> None:
    """core/handler.py makes requests and error pages of these: Django's handler is slow."""
    assert parameters(WSGIRequest) == ["environ"]
    assert parameters(convert_exception_to_response) == ["get_response"]


def change_list() -> None:
    """lists/changelist.py overrides or calls these: Django has no hook for pages by keyset."""
    assert parameters(ChangeList.get_queryset)[:2] == ["self", "request"]
    assert parameters(ChangeList.get_results) == ["self", "request"]
    assert parameters(ChangeList.get_filters_params) == ["self", "params"]
    assert parameters(ChangeList.get_query_string) == ["self", "new_params", "remove"]


def model_admin_get_object() -> None:
    """lists/changelist.py overrides get_object, so that a missing row is a 404."""
    assert parameters(ModelAdmin.get_object) == ["self", "request", "object_id", "from_field"]


def query_where_and_tables() -> None:
    """lists/paging.py asks the query whether it has a condition, and how many tables."""
    every, some = Cart.objects.all(), Cart.objects.filter(items__product_id="sku")
    assert (bool(every.query.where), bool(some.query.where)) == (False, True)
    assert sum(map(bool, some.query.alias_refcount.values())) == 2


def permissions() -> None:
    """tracker/console/roles.py makes the permissions before the groups that get them."""
    assert {"app_config", "verbosity", "using"} <= set(parameters(create_permissions))


def axes_failures() -> None:
    """tracker/console/frame/lockout.py adds up failures_since_start for its limit of an address."""
    assert AccessAttempt._meta.get_field("failures_since_start")


CHECKS = [
    response_headers_store,
    request_and_exceptions,
    change_list,
    model_admin_get_object,
    query_where_and_tables,
    permissions,
    axes_failures,
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_name_that_is_not_public_is_still_there(check: Callable[[], None]) -> None:
    try:
        check()
    except (AssertionError, AttributeError, LookupError, TypeError) as error:
        pytest.fail(f"This has changed. {check.__doc__} See docs/performance.md. ({error!r})")


def test_every_private_name_is_listed() -> None:
    """Ruff's SLF001 finds private names; those that are excused stand in docs/performance.md."""
    for folder in ("core", "middleware", "tracker"):
        for path in (ROOT / folder).rglob("*.py"):
            excused = [line for line in path.read_text().splitlines() if "SLF001" in line]
            for line in excused:
                names = re.findall(r"\.(_[a-z]\w*)", line)
                assert names, line
                assert all(f".{name}`" in PAGE for name in names), line
