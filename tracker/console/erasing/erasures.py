"""An erasure and what is kept of it: what will go, who decided it and why, what is gone.

The console's page and `manage.py erase` share it.

Two entries of the audit log frame every erasure: its reason, committed before anything is deleted,
and its counts, once nothing is left. So none goes unrecorded; and one that died on its way shows as
begun and not finished, until somebody begins it again. Both keep the cart's id, which is random and
says nothing of a person: "was it erased, by whom and why?" must have an answer, also when all else
is gone. Nothing else of the cart is kept, in the log or elsewhere.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from tracker.cart_ids import short_code
from tracker.console.frame import audit
from tracker.console.lists import paging
from tracker.console.models import AuditEntry
from tracker.models import Cart, Item
from tracker.rows import erasure

# How the entry begins that says which erasure is finished.
_END = r"^finished [0-9]+: "
MIN_REASON_CHARS, MAX_REASON_CHARS = 3, audit.MAX_DETAIL_CHARS


class Preview(NamedTuple):
    """What an erasure will delete. Counts are texts: "2,500", or "10,000+" where they are cut."""

    is_stored: bool
    items: str
    dead_letters: str
    audit_entries: str
    may_wait: bool  # In the intake, where nobody can look a cart up.


class Receipt(NamedTuple):
    """What is kept of an erasure. `counts` are names and texts; None while it is not finished."""

    begun: AuditEntry
    code: str
    counts: list[tuple[str, str]] | None


def preview(cart_id: UUID) -> Preview:
    """Look at what is there; counts no more than paging.COUNT_LIMIT of each. Raises Error."""
    return Preview(
        is_stored=Cart.objects.filter(id=cart_id).exists(),
        items=_count(Item.objects.filter(cart_id=cart_id)),
        dead_letters=_count(erasure.dead_letters_of(cart_id)),
        audit_entries=_count(audit.scrubbable(cart_id)),
        may_wait=urlsplit(settings.SERVED_INTAKE_URL).scheme != "database",
    )


def checked_reason(typed: str) -> str:
    """A reason as the audit log keeps it. Raises ValueError, saying what is wrong with it."""
    reason = " ".join(typed.replace("\0", "").split())
    if not MIN_REASON_CHARS <= len(reason) <= MAX_REASON_CHARS:
        raise ValueError(
            f"Give a reason of {MIN_REASON_CHARS} to {MAX_REASON_CHARS} characters;"
            f" it has {len(reason)}."
        )
    return reason


def reason_for(cart_id: UUID, typed: str) -> str:
    """The reason of a cart's erasure, which is never scrubbed: as `checked_reason`."""
    reason = checked_reason(typed)
    if cart_id.hex in re.sub("[^0-9a-f]", "", reason.lower()):
        raise ValueError("Leave the cart's full id out of the reason: its code is enough.")
    if re.match(_END, reason):
        raise ValueError("Begin the reason with another word: this is how the log itself writes.")
    return reason


def begin(user: Any, cart_id: UUID, reason: str) -> AuditEntry:
    """Write down who erases what, and why, for `carry_out`. Committed when this returns.

    `user` is as in audit.write, `reason` is `reason_for`'s. Raises django.db.Error.
    """
    with transaction.atomic(durable=True):
        return audit.write(user, AuditEntry.Action.ERASED, cart_id=cart_id, detail=reason)


def carry_out(begun: AuditEntry, cart_id: UUID) -> None:
    """Erase the cart, empty what the log says of it, and write down that this was done.

    May be repeated, also after it died anywhere: it goes on with what is left. Each chunk commits
    by itself. Raises django.db.Error; the erasure stays begun, and not finished, then.
    """
    carts, items, dead_letters = erasure.erase(cart_id)
    emptied = audit.scrub(cart_id)
    counts = {"carts": carts, "items": items, "dead letters": dead_letters}
    told = [f"{name}: {count:,}" for name, count in counts.items()]
    told.append(f"audit entries emptied: {emptied:,}")
    audit.write(
        begun.user or begun.username,
        AuditEntry.Action.ERASED,
        cart_id=cart_id,
        detail=_end_of(begun) + "; ".join(told),
    )


def receipt(begun: AuditEntry) -> Receipt:
    """Of an entry of `begin`. Raises django.db.Error."""
    code = short_code(begun.cart_id) if begun.cart_id else ""
    ends = _entries(begun.cart_id).filter(id__gt=begun.pk, detail__startswith=_end_of(begun))
    last = ends.order_by("id").last()
    if last is None:
        return Receipt(begun, code, None)
    told = [line.partition(": ") for line in last.detail.removeprefix(_end_of(begun)).split("; ")]
    return Receipt(begun, code, [(name, count) for name, _, count in told])


def earlier(cart_id: UUID) -> list[AuditEntry]:
    """The last erasures of a cart, the newest first, as `begin` wrote them down."""
    return list(_begun(cart_id).order_by("-id")[:10])


def find(cart_id: UUID, entry_id: int) -> AuditEntry | None:
    """The beginning of an erasure by its number, if it is one of this cart."""
    return _begun(cart_id).filter(id=entry_id).first()


def _begun(cart_id: UUID) -> QuerySet[AuditEntry]:
    return _entries(cart_id).exclude(detail__regex=_END)


def _entries(cart_id: UUID | None) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(cart_id=cart_id, action=AuditEntry.Action.ERASED)


def _end_of(begun: AuditEntry) -> str:
    """As _END, for this one."""
    return f"finished {begun.pk}: "


def _count(rows: QuerySet[Any]) -> str:
    number, exact = paging.estimated_count(rows)
    return paging.count_text(number, exact=exact)
