"""Who searched for, opened, exported, replayed, discarded or erased what."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

from tracker.console.models import AuditEntry

MAX_DETAIL_CHARS = 300


def record(
    request: HttpRequest,
    action: AuditEntry.Action,
    *,
    cart_id: UUID | None = None,
    detail: str = "",
) -> None:
    """Write it down, in the transaction that is running. Raises django.db.Error."""
    write(request.user, action, cart_id=cart_id, detail=detail)


def write(
    user: Any, action: AuditEntry.Action, *, cart_id: UUID | None = None, detail: str = ""
) -> AuditEntry:
    """The same for whoever is no request: a user, or the name of a command's operator."""
    is_account = getattr(user, "pk", None) is not None
    return AuditEntry.objects.create(
        user=user if is_account else None,
        username=str(user)[:150],
        action=action,
        cart_id=cart_id,
        detail=detail.replace("\0", "")[:MAX_DETAIL_CHARS],
    )


def scrub(cart_id: UUID) -> int:
    """Forget what the log's entries about a cart say of it; that they happened stays.

    Returns how many were emptied. Idempotent. Searches for the cart by its id count as about it.
    """
    return scrubbable(cart_id).update(detail="")


def scrubbable(cart_id: UUID) -> QuerySet[AuditEntry]:
    """The entries that `scrub` empties. What is on record of an erasure itself stays."""
    about = AuditEntry.objects.filter(cart_id=cart_id).exclude(detail="")
    return about.exclude(action=AuditEntry.Action.ERASED)
