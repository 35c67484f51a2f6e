"""Lock out people who guess passwords (django-axes), by names and addresses."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from axes.handlers.database import AxesDatabaseHandler  # type: ignore[import-untyped]
from axes.models import AccessAttempt  # type: ignore[import-untyped]
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from tracker.console.frame.failures import bare_page

_HOST_BITS = 64  # An IPv6 site has at least 2**64 addresses (RFC 6177), so they count as one.


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Lock a name and an address together, as axes does, and an address alone at a higher limit.

    Axes has one limit for everything; people who share an address need a higher one.
    """

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        if super().is_locked(request, credentials):
            return True
        return _failures_of_address(request) >= settings.LOCKOUT_FAILURES_PER_ADDRESS


def _failures_of_address(request: HttpRequest) -> int:
    """Count the failures of an address with any name, within the time of axes."""
    attempts = AccessAttempt.objects.filter(
        ip_address=client_address(request),
        attempt_time__gte=timezone.now() - settings.AXES_COOLOFF_TIME,
    )
    return attempts.aggregate(n=Sum("failures_since_start"))["n"] or 0


def client_address(request: HttpRequest) -> str | None:
    """Return the client's address as our outermost proxy saw it, never as a client claims.

    Each of TRUSTED_PROXIES appends the address of its client to X-Forwarded-For; entries further
    left came with the request. Without a usable entry (a proxy that does not append, a request past
    it) and without proxies it is the peer. An IPv6 address stands for its /64.
    """
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    count = settings.TRUSTED_PROXIES
    seen = _parse(hops[-count]) if 0 < count <= len(hops) else None
    found = seen or _parse(request.META.get("REMOTE_ADDR", ""))
    return str(found) if found else None


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address, also as 192.0.2.1:8080 or [2001:db8::1]:8080, as some proxies write it."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS)


def locked_out(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """Answer somebody who is locked out, the same for existing and unknown accounts."""
    wait_s = int(settings.AXES_COOLOFF_TIME.total_seconds())
    text = (
        "Too many logins have failed with this name or from this address. Try again in"
        f" {wait_s // 60} minutes, or ask an administrator to unlock you."
    )
    return bare_page(429, "Too many attempts", text, retry_after_s=wait_s)
