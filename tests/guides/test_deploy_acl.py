"""The accounts of Valkey in docs/deployment.md can do their work, and no more than that."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.exceptions import NoPermissionError

from tests.support.guides import block
from tests.support.live import Server
from tests.support.streams import add, is_refused, read_all, read_until, waiting
from tests.support.valkey import Valkey
from tracker.intake.stream.intake import StreamIntake

USERS = {
    words[1]: words[2:]
    for words in map(str.split, block("conf", "users.acl").splitlines())
    if words[0] == "user"
}


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    """The tests go on as `default`, which the guide turns off."""
    server = Valkey("appendonly yes", "appendfsync always", "maxmemory-policy noeviction")
    for name, rules in USERS.items():
        if name != "default":
            server.execute("ACL", "SETUSER", name, *rules)
    yield server
    server.remove()


@pytest.fixture
def url(valkey: Valkey) -> Iterator[Callable[..., str]]:
    """`url("drain", "claim_ms=1")`. Fails the test if an account was refused anything."""
    valkey.execute("FLUSHALL")
    valkey.execute("ACL", "LOG", "RESET")

    def of(account: str, query: str = "") -> str:
        [password] = [rule[1:] for rule in USERS[account] if rule.startswith(">")]
        return valkey.url(query).replace("//", f"//{account}:{password}@")

    yield of
    assert valkey.execute("ACL", "LOG") == []


def opened(url: str) -> StreamIntake:
    return StreamIntake(urlsplit(url))


def test_what_the_storefront_accepts_the_drain_takes(
    url: Callable[..., str], valkey: Valkey
) -> None:
    storefront, drain = opened(url("storefront", "ack=waitaof")), opened(url("drain"))
    for intake in (storefront, drain):
        intake.check()
        assert intake.warnings() == []
    storefront.accept(add("sku-1"), add("sku-2"))
    reader = drain.source()
    assert reader.backlog().records == 2
    assert sorted(read_all(reader)) == ["sku-1", "sku-2"]
    assert reader.is_empty()
    for each in (reader, storefront, drain):
        each.close()
    assert waiting(valkey) == 0


def test_a_drain_takes_over_from_one_that_died(url: Callable[..., str]) -> None:
    storefront = opened(url("storefront"))
    storefront.accept(add("sku-1"))
    died = opened(url("drain")).source()
    assert read_all(died, acknowledge=False) == ["sku-1"]
    heir = opened(url("drain", "claim_ms=1")).source()
    assert read_until(heir, 1) == ["sku-1"]
    for each in (heir, died, storefront):
        each.close()


def test_the_storefront_may_wait_for_a_replica(url: Callable[..., str]) -> None:
    """There is none, so the add is refused: but not for want of rights."""
    storefront = opened(url("storefront", "ack=wait:1"))
    assert is_refused(storefront)
    storefront.close()


def test_a_storefront_is_ready_and_shows_its_numbers(
    url: Callable[..., str], serve: Callable[..., Server], tmp_path: Any
) -> None:
    """As a process, without anything that leads to the database."""
    server = serve("--role", "storefront", INTAKE_URL=url("storefront"), DATABASE_URL="")
    assert server.add(product_id="sku-1").status == 200
    assert server.request("GET", "/readyz").json() == {"ready": True, "parts": {"intake": "ok"}}
    numbers = server.request("GET", "/metrics").body.decode()
    assert "cart_tracker_backlog_records 1.0" in numbers
    assert not list(tmp_path.glob("*.sqlite3"))


@pytest.mark.parametrize(
    ("account", "command"),
    [
        ("storefront", ["XREADGROUP", "GROUP", "drain", "me", "STREAMS", "cart-tracker:{0}", ">"]),
        ("storefront", ["XDEL", "cart-tracker:{0}", "1-1"]),
        ("storefront", ["XADD", "another", "*", "add", "1"]),
        ("storefront", ["XTRIM", "cart-tracker:{0}", "MAXLEN", "0"]),
        ("drain", ["XADD", "cart-tracker:{0}", "*", "add", "1"]),
        ("drain", ["DEL", "cart-tracker:{0}"]),
        ("drain", ["FLUSHALL"]),
        ("drain", ["CONFIG", "GET", "*"]),
        ("drain", ["KEYS", "*"]),
    ],
)
def test_an_account_can_do_no_more(valkey: Valkey, account: str, command: list[str]) -> None:
    [password] = [rule[1:] for rule in USERS[account] if rule.startswith(">")]
    with valkey.client() as client:
        client.execute_command("AUTH", account, password)
        with pytest.raises(NoPermissionError):
            client.execute_command(*command)
