"""The search box: it leads to a cart, to products, or to an explanation."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from tracker.console.frame import audit
from tracker.console.frame.links import cart_address
from tracker.console.frame.site import page, render
from tracker.console.lists import search
from tracker.console.models import AuditEntry
from tracker.models import Item


@page("find/", name="find", title="Find", permission="tracker.view_cart", in_menu=False)
def find(request: HttpRequest) -> HttpResponseBase:
    """Answer GET /admin/find/?q=: go to the cart or to a list, or explain how to search."""
    typed = request.GET.get("q", "")
    term = search.read(typed)
    if term != search.Term():
        audit.record(request, AuditEntry.Action.SEARCHED, cart_id=term.cart_id, detail=typed)
    where = _address(term, typed)
    if where:
        return HttpResponseRedirect(where)
    return render(
        request, "admin/console/nothing_found.html", "Find", typed=typed, cart_id=term.cart_id
    )


def _address(term: search.Term, typed: str) -> str | None:
    found = list(search.named(term)[:2])
    if len(found) == 1:
        return cart_address(found[0].id)
    if found:
        return _list("cart", typed)
    if term.product_id and search.items(term, Item.objects.all())[0].exists():
        return _list("item", typed)
    return None


def _list(model: str, typed: str) -> str:
    return f"{reverse(f'admin:tracker_{model}_changelist')}?{urlencode({'q': typed})}"
