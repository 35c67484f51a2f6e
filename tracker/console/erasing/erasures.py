"""An erasure and its record: what will be deleted, who decided it and why, what was deleted.

The console's page and `manage.py erase` use this module.

Every erasure has two entries in the audit log: its reason, committed before anything is deleted,
and its counts, when nothing is left. So no erasure is unrecorded, and one that was interrupted
shows as begun and not finished until somebody runs it again. Both keep the cart's id, which is
random and says nothing about a person, so that "was it erased, by whom and why?" can be answered
later. Nothing else of the cart is kept, in the log or elsewhere.
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

# The beginning of the entry that says which erasure is finished.
_END = r"^finished [0-9]+: "
MIN_REASON_CHARS, MAX_REASON_CHARS = 3, audit.MAX_DETAIL_CHARS


class Preview(NamedTuple):
    """What an erasure will delete. Counts are texts: "2,500", or "10,000+" above the limit."""

    is_stored: bool
    items: str
    dead_letters: str
    audit_entries: str
    may_wait: bool  # In the intake, which has no look-up by cart.


class Receipt(NamedTuple):
    """The record of an erasure. `counts` are names and texts, or None while it is not finished."""

    begun: AuditEntry
    code: str
    counts: list[tuple[str, str]] | None


def preview(cart_id: UUID) -> Preview:
    """Count what is there, at most paging.COUNT_LIMIT of each. Raises django.db.Error."""
    return Preview(
        is_stored=Cart.objects.filter(id=cart_id).exists(),
        items=_count(Item.objects.filter(cart_id=cart_id)),
        dead_letters=_count(erasure.dead_letters_of(cart_id)),
        audit_entries=_count(audit.scrubbable(cart_id)),
        may_wait=urlsplit(settings.SERVED_INTAKE_URL).scheme != "database",
    )


def checked_reason(typed: str) -> str:
    """Return a reason as the audit log keeps it. Raises ValueError that says what is wrong."""
    reason = " ".join(typed.replace("\0", "").split())
    if not MIN_REASON_CHARS <= len(reason) <= MAX_REASON_CHARS:
        raise ValueError(
            f"Give a reason of {MIN_REASON_CHARS} to {MAX_REASON_CHARS} characters;"
            f" it has {len(reason)}."
        )
    return reason


def reason_for(cart_id: UUID, typed: str) -> str:
    """Return the reason of a cart's erasure, which is never scrubbed. Like `checked_reason`."""
    reason = checked_reason(typed)
    if cart_id.hex in re.sub("[^0-9a-f]", "", reason.lower()):
        raise ValueError("Leave the cart's full id out of the reason: its code is enough.")
    if re.match(_END, reason):
        raise ValueError(
            "Begin the reason with another word: the log's own entries begin like this."
        )
    return reason


def begin(user: Any, cart_id: UUID, reason: str) -> AuditEntry:
    """Record who erases what and why, for `carry_out`. It is committed when this returns.

    `user` is as in audit.write, `reason` is `reason_for`'s. Raises django.db.Error.
    """
    with transaction.atomic(durable=True):
        return audit.write(user, AuditEntry.Action.ERASED, cart_id=cart_id, detail=reason)


def carry_out(begun: AuditEntry, cart_id: UUID) -> None:
    """Erase the cart, empty its entries in the log, and record that it is done.

    Idempotent: run it again after an interruption, and it continues. Each chunk is a transaction.
    Raises django.db.Error; then the erasure is begun and not finished.
    """
    carts, items, dead_letters = erasure.erase(cart_id)
    emptied = audit.scrub(cart_id)
    counts = {"carts": carts, "items": items, "dead letters": dead_letters}
    texts = [f"{name}: {count:,}" for name, count in counts.items()]
    texts.append(f"audit entries emptied: {emptied:,}")
    audit.write(
        begun.user or begun.username,
        AuditEntry.Action.ERASED,
        cart_id=cart_id,
        detail=_end_of(begun) + "; ".join(texts),
    )


def receipt(begun: AuditEntry) -> Receipt:
    """Return the receipt of an entry of `begin`. Raises django.db.Error."""
    code = short_code(begun.cart_id) if begun.cart_id else ""
    ends = _entries(begun.cart_id).filter(id__gt=begun.pk, detail__startswith=_end_of(begun))
    last = ends.order_by("id").last()
    if last is None:
        return Receipt(begun, code, None)
    texts = last.detail.removeprefix(_end_of(begun)).split("; ")
    parts = [text.partition(": ") for text in texts]
    return Receipt(begun, code, [(name, count) for name, _, count in parts])


def earlier(cart_id: UUID) -> list[AuditEntry]:
    """Return the last erasures of a cart, the newest first, as `begin` recorded them."""
    return list(_begun(cart_id).order_by("-id")[:10])


def find(cart_id: UUID, entry_id: int) -> AuditEntry | None:
    """Return the entry of `begin` with this number, if it is about this cart."""
    return _begun(cart_id).filter(id=entry_id).first()


def _begun(cart_id: UUID) -> QuerySet[AuditEntry]:
    return _entries(cart_id).exclude(detail__regex=_END)


def _entries(cart_id: UUID | None) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(cart_id=cart_id, action=AuditEntry.Action.ERASED)


def _end_of(begun: AuditEntry) -> str:
    """Return the text with which the final entry of this erasure begins."""
    return f"finished {begun.pk}: "


def _count(rows: QuerySet[Any]) -> str:
    number, exact = paging.estimated_count(rows)
    return paging.count_text(number, exact=exact)
