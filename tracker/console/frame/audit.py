"""The audit log: who searched for, opened, exported, replayed, discarded or erased what."""

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
    """Write an entry for the user of a request, in the current transaction. Raises Error."""
    write(request.user, action, cart_id=cart_id, detail=detail)


def write(
    user: Any, action: AuditEntry.Action, *, cart_id: UUID | None = None, detail: str = ""
) -> AuditEntry:
    """Write an entry for a user, or for the name of a command's operator."""
    is_account = getattr(user, "pk", None) is not None
    return AuditEntry.objects.create(
        user=user if is_account else None,
        username=str(user)[:150],
        action=action,
        cart_id=cart_id,
        detail=detail.replace("\0", "")[:MAX_DETAIL_CHARS],
    )


def scrub(cart_id: UUID) -> int:
    """Empty the log's entries about a cart. The entries themselves stay.

    Return how many were emptied. Idempotent. Searches for the cart's id are about it, too.
    """
    return scrubbable(cart_id).update(detail="")


def scrubbable(cart_id: UUID) -> QuerySet[AuditEntry]:
    """Return the entries that `scrub` empties. The record of an erasure itself stays."""
    about = AuditEntry.objects.filter(cart_id=cart_id).exclude(detail="")
    return about.exclude(action=AuditEntry.Action.ERASED)
