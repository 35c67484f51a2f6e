"""Parse the URL of a stream intake: the server's address and the options."""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from tracker.intake.options import UrlOptions, option, positive

_PORT, _SENTINEL_PORT = 6379, 26379


@dataclass(frozen=True)
class Options(UrlOptions):
    """The options of a stream's URL.

    Drain the streams before you lower `streams`: the streams that are left out are not read.
    """

    streams: int = option(16, r"[1-9]\d{0,3}", "a whole number from 1 to 9999")
    ack: str = option("none", r"none|waitaof|wait:[1-9]\d?", "none, waitaof or wait:N")
    max_records: int = positive(10_000_000)
    max_age_s: int = positive(86_400, max_digits=9)
    claim_ms: int = positive(30_000, max_digits=9)
    cluster: int = option(0, r"[01]", "0 or 1")
    sentinel: str = option("", r"[\w.-]+", "the name under which the Sentinels know the server")
    ca_file: str = option("", r"/.+", "the absolute path of a file of certificates")

    def __post_init__(self) -> None:
        """Raise ImproperlyConfigured for options that exclude each other."""
        if self.cluster and self.sentinel:
            raise ImproperlyConfigured("INTAKE_URL: use cluster or sentinel, not both.")


@dataclass(frozen=True)
class Address:
    """The addresses of the server, of the Sentinels, or of some nodes of the cluster."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: SplitResult, options: Options) -> "Address":
        """Parse a URL.

        Raises ImproperlyConfigured with one line that says what to do, without the password.
        """
        if url.fragment:
            raise ImproperlyConfigured("INTAKE_URL: write a # in a password as %23.")
        account, _, hosts = url.netloc.rpartition("@")
        username, _, password = account.partition(":")
        default_port = _SENTINEL_PORT if options.sentinel else _PORT
        return cls(
            hosts=_hosts(hosts, default_port, several=bool(options.cluster or options.sentinel)),
            tls=url.scheme in ("valkeys", "rediss"),
            db=_db(url.path, options),
            username=unquote(username) or None,
            password=unquote(password) or None,
        )


def _hosts(text: str, default_port: int, *, several: bool) -> tuple[tuple[str, int], ...]:
    names = text.split(",")
    if len(names) > 1 and not several:
        raise ImproperlyConfigured("INTAKE_URL: several hosts need ?cluster=1 or ?sentinel=NAME.")
    return tuple(_host(name, default_port) for name in names)


def _host(name: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{name}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port == 0 or (port is None and name.endswith(":")):
        raise ImproperlyConfigured(f"INTAKE_URL: {name!r} is not a host or host:port.")
    return host, port or default_port


def _db(path: str, options: Options) -> int:
    if not re.fullmatch(r"/?|/\d{1,5}", path, re.ASCII):
        raise ImproperlyConfigured("INTAKE_URL: only a database's number may follow the host.")
    number = int(path.strip("/") or 0)
    if number and options.cluster:
        raise ImproperlyConfigured("INTAKE_URL: a cluster has only database 0.")
    return number
