"""The pages of an erasure: preview and confirmation, then the receipt."""

import logging
from typing import Any
from uuid import UUID

from django import forms
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from tracker.cart_ids import short_code
from tracker.console.erasing import erasures
from tracker.console.frame.site import page, render
from tracker.console.lists import search
from tracker.models import Cart

log = logging.getLogger(__name__)

REASONS = ("customer's request", "test data", "other")


class EraseForm(forms.Form):
    """The reason, and the cart's code to type in. `reason` joins `kind` and `words`."""

    kind = forms.ChoiceField(
        label="Reason", choices=[("", "Choose one")] + [(r, r) for r in REASONS]
    )
    words = forms.CharField(
        label="In your words",
        required=False,
        max_length=erasures.MAX_REASON_CHARS,
        help_text="For example a ticket number. It stays in the audit log, so do not write names or"
        " addresses. Required for the reason “other”.",
    )
    code = forms.CharField(label="The cart's code")
    reason = ""

    def __init__(self, cart_id: UUID, data: Any = None) -> None:
        super().__init__(data)
        self._cart_id = cart_id
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"

    def clean_code(self) -> str:
        typed: str = self.cleaned_data["code"]
        code = short_code(self._cart_id)
        if search.read(typed).digits != code:
            raise forms.ValidationError(f"Type {code} to erase this cart.")
        return code

    def clean(self) -> None:
        kind, words = self.cleaned_data.get("kind"), self.cleaned_data.get("words", "")
        if not kind:
            return
        try:
            if kind == "other" or words:
                erasures.reason_for(self._cart_id, words)
            self.reason = erasures.reason_for(self._cart_id, f"{kind}: {words}".rstrip(": "))
        except ValueError as error:
            self.add_error("words", str(error))


@page(
    "erase/<uuid:cart_id>/",
    name="erase",
    title="Erase a cart",
    permission="tracker.erase_carts",
    in_menu=False,
)
def erase(request: HttpRequest, cart_id: UUID) -> HttpResponseBase:
    """Show what will be deleted and the form (GET), or delete it and go to the receipt (POST).

    A cart without a row can be erased, too: its records may wait in the intake.
    """
    form = EraseForm(cart_id, request.POST if request.method == "POST" else None)
    if form.is_valid():
        begun = erasures.begin(request.user, cart_id, form.reason)
        try:
            erasures.carry_out(begun, cart_id)
        except (OperationalError, InterfaceError) as error:
            # The receipt says that it is not finished, and how to continue.
            kind = type(error.__cause__ or error).__name__
            log.error("the erasure %s was begun and not finished: %s", begun.pk, kind)
        return HttpResponseRedirect(reverse("admin:erase_receipt", args=[cart_id, begun.pk]))
    code = short_code(cart_id)
    return render(
        request,
        "admin/console/erase.html",
        f"Erase cart {code}",
        form=form,
        cart_id=cart_id,
        code=code,
        preview=erasures.preview(cart_id),
        earlier=erasures.earlier(cart_id),
    )


@page(
    "erase/<uuid:cart_id>/receipt/<int:entry_id>/",
    name="erase_receipt",
    title="Receipt of an erasure",
    permission="tracker.erase_carts",
    in_menu=False,
)
def erase_receipt(request: HttpRequest, cart_id: UUID, entry_id: int) -> HttpResponseBase:
    """Show what was erased, by whom, when and why, from the audit log.

    It has the cart's code instead of its id, so that it can be put into a ticket or a mail.
    """
    begun = erasures.find(cart_id, entry_id)
    if begun is None:
        raise Http404("This receipt does not exist.")
    return render(
        request,
        "admin/console/erased.html",
        "Receipt of an erasure",
        receipt=erasures.receipt(begun),
        cart_id=cart_id,
        is_back=Cart.objects.filter(id=cart_id).exists(),
    )
