"""The URL of valkey:// : whom to talk to, and how."""

from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured

from tracker.intake.selection import intake_from_url
from tracker.intake.stream.intake import StreamIntake


@pytest.mark.parametrize(
    ("url", "hosts", "tls", "db"),
    [
        ("valkey://shop", (("shop", 6379),), False, 0),
        ("redis://shop:7000/3", (("shop", 7000),), False, 3),
        ("valkeys://[::1]:7000/", (("::1", 7000),), True, 0),
        ("rediss://a:1,b:2?cluster=1", (("a", 1), ("b", 2)), True, 0),
        ("valkey://a,b:2/1?sentinel=shop", (("a", 26379), ("b", 2)), False, 1),
    ],
)
def test_a_url_says_where_the_server_is(
    url: str, hosts: tuple[tuple[str, int], ...], tls: bool, db: int
) -> None:
    intake = intake_from_url(url)
    assert isinstance(intake, StreamIntake)
    address = intake.address
    assert (address.hosts, address.tls, address.db) == (hosts, tls, db)


def test_a_name_and_a_password_may_be_percent_encoded_and_are_not_shown() -> None:
    address = StreamIntake(urlsplit("valkey://me:p%40ss%2F%23@shop")).address
    assert (address.username, address.password) == ("me", "p@ss/#")
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("valkey://", "is not a host"),
        ("valkey://:secret@shop:http", "is not a host"),
        ("valkey://shop:70000", "is not a host"),
        ("valkey://shop:0", "is not a host"),
        ("valkey://a,b", "several hosts"),
        ("valkey://shop/x", "database's number"),
        ("valkey://shop/0/1", "database's number"),
        ("valkey://shop/1?cluster=1", "only database 0"),
        ("valkey://:pass#word@shop", "%23"),
        ("valkey://shop?colour=red", "no option 'colour'"),
        ("valkey://shop?streams=0", "streams must be"),
        ("valkey://shop?streams=²", "streams must be"),
        ("valkey://shop?ack=always", "none, waitaof or wait:N"),
        ("valkey://shop?ack=wait:0", "none, waitaof or wait:N"),
        ("valkey://shop?max_records=-1", "max_records must be"),
        ("valkey://shop?claim_ms=", "claim_ms must be"),
        ("valkey://shop?cluster=yes", "0 or 1"),
        ("valkey://shop?sentinel=", "sentinel must be"),
        ("valkey://shop?ca_file=ca.pem", "absolute path"),
        ("valkey://shop?cluster=1&sentinel=shop", "not both"),
    ],
)
def test_a_bad_url_says_what_to_do(url: str, says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says) as caught:
        intake_from_url(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
