"""Dead letters: the list, the page of a letter, replay and discard."""

import json
from collections import Counter
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from tracker.adds import Record
from tracker.console.erasing import erasures
from tracker.console.frame import audit
from tracker.console.frame.links import cart_link
from tracker.console.frame.site import page, render
from tracker.console.lists import paging
from tracker.console.lists.changelist import ReadOnlyAdmin
from tracker.console.models import AuditEntry
from tracker.intake import dead_letters
from tracker.intake.dead_letters import Result
from tracker.intake.record import CorruptRecordError, load
from tracker.models import DeadLetter
from tracker.rows import erasure

PERMISSION = "tracker.replay_deadletters"
UNREADABLE = "can't be read"

_GONE = "There is no such dead letter any more: it was replayed, discarded or erased."


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "error", "cart", "product_id")
    keyset = ("-created_at", "-id")
    change_list_template = "admin/console/dead_letters.html"
    gone = "It was replayed, discarded or erased."

    @admin.display(description="cart")
    def cart(self, letter: DeadLetter) -> str:
        cart_id = cart_of(letter)
        if cart_id is None:
            return UNREADABLE
        # By way of the search: the cart may have no row.
        return cart_link(cart_id, reverse("admin:find", query={"q": str(cart_id)}))

    @admin.display(description="product id")
    def product_id(self, letter: DeadLetter) -> str:
        record = record_of(letter)
        return record.add.product_id if record else UNREADABLE

    def change_view(  # type: ignore[override]
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        """Show a letter: its record, its error, and what can be done about it."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        letter = self.get_object(request, object_id)
        audit.record(request, AuditEntry.Action.OPENED, cart_id=cart_of(letter))
        return _letter_page(request, letter)


def record_of(letter: DeadLetter) -> Record | None:
    """Return the record of a letter, or None if its line is corrupt."""
    try:
        return load(letter.record.encode())
    except CorruptRecordError:
        return None


def cart_of(letter: DeadLetter) -> UUID | None:
    record = record_of(letter)
    return record.add.cart_id if record else None


def pretty(letter: DeadLetter) -> str:
    """Return the record for people: JSON with a line for each member, or the line as it is.

    Invisible characters are escaped as in JSON: they may be the reason for the error.
    """
    text = letter.record
    if record_of(letter) is not None:
        text = json.dumps(json.loads(text.partition(" ")[2]), indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


@page(
    "deadletters/<uuid:letter_id>/replay/",
    name="deadletter_replay",
    title="Replay a dead letter",
    permission=PERMISSION,
    in_menu=False,
)
def replay(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Replay a letter (POST), or go to its page (GET)."""
    if request.method != "POST":
        return HttpResponseRedirect(_address(letter_id))
    letter = _existing(letter_id)
    result = _replay(request, letter)
    if result is Result.GONE:
        raise Http404(_GONE)
    if result is Result.REFUSED:
        messages.error(request, "Refused again: the reason is below.")
        return HttpResponseRedirect(_address(letter_id))
    messages.success(request, "Replayed.")
    return HttpResponseRedirect(_list())


@page(
    "deadletters/<uuid:letter_id>/discard/",
    name="deadletter_discard",
    title="Discard a dead letter",
    permission=PERMISSION,
    in_menu=False,
)
def discard(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Discard a letter for a reason (POST), or go to its page (GET)."""
    if request.method != "POST":
        return HttpResponseRedirect(_address(letter_id))
    letter = _existing(letter_id)
    typed = request.POST.get("reason", "")
    try:
        reason = erasures.checked_reason(typed)
    except ValueError as error:
        return _letter_page(request, letter, reason=typed, problem=str(error))
    with transaction.atomic():
        if not dead_letters.lock(letter):
            raise Http404(_GONE)
        audit.record(request, AuditEntry.Action.DISCARDED, cart_id=cart_of(letter), detail=reason)
        DeadLetter.objects.filter(pk=letter.pk).delete()
    messages.success(request, "Discarded.")
    return HttpResponseRedirect(_list())


@page(
    "deadletters/replay/",
    name="deadletters_replay",
    title="Replay all dead letters",
    permission=PERMISSION,
    in_menu=False,
)
def replay_all(request: HttpRequest) -> HttpResponseBase:
    """Count the letters (GET), or replay each in a transaction, the oldest first (POST).

    Idempotent: run it again after an interruption. Letters that were replayed are gone.
    """
    if request.method != "POST":
        count, exact = paging.estimated_count(DeadLetter.objects.all())
        text, title = paging.count_text(count, exact=exact), "Replay all dead letters"
        template = "admin/console/replay_all.html"
        return render(request, template, title, count=count, count_text=text)
    letters = dead_letters.oldest_first(DeadLetter.objects.all())
    results = Counter(_replay(request, letter) for letter in letters)
    replayed, refused = results[Result.REPLAYED], results[Result.REFUSED]
    level = messages.WARNING if refused else messages.SUCCESS
    messages.add_message(request, level, f"{replayed:,} replayed, {refused:,} refused again.")
    return HttpResponseRedirect(_list())


def _replay(request: HttpRequest, letter: DeadLetter) -> Result:
    """Replay a letter, with an entry of the audit log in the same transaction."""
    with transaction.atomic():
        result = dead_letters.replay(letter)
        if result is not Result.GONE:
            action = AuditEntry.Action.REPLAYED
            audit.record(request, action, cart_id=cart_of(letter), detail=result.value)
    return result


def _existing(letter_id: UUID) -> DeadLetter:
    """Return a letter. Raises Http404 if it was replayed, discarded or erased meanwhile."""
    letter = DeadLetter.objects.filter(pk=letter_id).first()
    if letter is None:
        raise Http404(_GONE)
    return letter


def _letter_page(
    request: HttpRequest, letter: DeadLetter, *, reason: str = "", problem: str = ""
) -> HttpResponseBase:
    """Return the page of a letter, with the reason that was typed and what is wrong with it."""
    record = record_of(letter)
    return render(
        request,
        "admin/console/dead_letter.html",
        "Dead letter",
        letter=letter,
        text=pretty(letter),
        add=record and record.add,
        accepted=record and erasure.moment(record.version or 0),
        reason=reason,
        problem=problem,
    )


def _address(letter_id: UUID) -> str:
    return reverse("admin:tracker_deadletter_change", args=[letter_id])


def _list() -> str:
    return reverse("admin:tracker_deadletter_changelist")
