"""The search box: it leads to a cart, to products, or to an explanation."""

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
    carts = list(search.named(term)[:2])
    if len(carts) == 1:
        return HttpResponseRedirect(cart_address(carts[0].id))
    if carts:
        return _to_list("cart", typed)
    if term.product_id and search.items(term, Item.objects.all())[0].exists():
        return _to_list("item", typed)
    return render(
        request, "admin/console/nothing_found.html", "Find", typed=typed, cart_id=term.cart_id
    )


def _to_list(model: str, typed: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(f"admin:tracker_{model}_changelist", query={"q": typed}))
