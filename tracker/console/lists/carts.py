"""Carts: the list with its states, and the page of a cart."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html

from tracker.cart_ids import short_code
from tracker.console.frame import audit
from tracker.console.frame.links import cart_address
from tracker.console.frame.money import in_currency
from tracker.console.frame.site import render
from tracker.console.lists import search
from tracker.console.lists.changelist import AFTER, BEFORE, ROWS_PER_PAGE, ReadOnlyAdmin
from tracker.console.lists.paging import Keyset
from tracker.console.models import AuditEntry
from tracker.models import Cart, Item

STATES = ("active", "idle", "stale")


class State(admin.SimpleListFilter):
    """Active, idle or stale, by the time since the last activity. Shown as tabs."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state.capitalize()) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Cart]) -> QuerySet[Cart]:
        active, stale = _limits()
        conditions = {
            "active": Q(updated_at__gte=active),
            "idle": Q(updated_at__lt=active, updated_at__gte=stale),
            "stale": Q(updated_at__lt=stale),
        }
        chosen = self.value()
        return queryset.filter(conditions[chosen]) if chosen else queryset


class Age(admin.SimpleListFilter):
    """The time of the last activity."""

    title, parameter_name = "last activity", "age"
    hours = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(each, f"in the last {each}") for each in self.hours] + [("older", "before that")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Cart]) -> QuerySet[Cart]:
        chosen, now = self.value(), timezone.now()
        if chosen in self.hours:
            return queryset.filter(updated_at__gte=now - timedelta(hours=self.hours[chosen]))
        if chosen == "older":
            return queryset.filter(updated_at__lt=now - timedelta(days=30))
        return queryset


class HoldsProduct(admin.SimpleListFilter):
    """Carts that hold a product, whose id is typed in."""

    title, parameter_name = "product id", "product"
    template = "admin/console/text_filter.html"
    takes_any_text = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "")]  # Its template has an input. Django drops a filter without choices.

    def queryset(self, request: HttpRequest, queryset: QuerySet[Cart]) -> QuerySet[Cart]:
        value = self.value()
        return queryset.filter(items__product_id=value) if value else queryset

    def choices(self, changelist: Any) -> Any:
        others = {
            name: value for name, value in changelist.params.items() if name != self.parameter_name
        }
        yield {"name": self.parameter_name, "value": self.value() or "", "others": others}


@admin.register(Cart)
class CartAdmin(ReadOnlyAdmin):
    list_display = ("short_code", "items_text", "value_text", "created_at", "updated_at", "state")
    list_filter = (State, Age, HoldsProduct)
    tabs = ("state",)
    search_fields = ("id",)
    search_help_text = "A cart's id in any form, its 8-digit code, or a product's id."
    keyset = ("-updated_at", "-id")

    @admin.display(description="cart")
    def short_code(self, cart: Cart) -> str:
        return format_html('<code title="{}">{}</code>', cart.id, short_code(cart.id))

    @admin.display(description="items")
    def items_text(self, cart: Cart) -> str:
        return f"{cart.item_count:,}"

    @admin.display(description="value")
    def value_text(self, cart: Cart) -> str:
        return in_currency(cart.value)

    @admin.display(description="state")
    def state(self, cart: Cart) -> str:
        return format_html('<span class="state state-{0}">{0}</span>', state_of(cart))

    def search(self, typed: str, rows: QuerySet[Cart]) -> tuple[QuerySet[Cart], Keyset]:
        return search.carts(search.read(typed), rows), Keyset(*self.keyset)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Redirect to a cart's page if the search names exactly one cart."""
        found = list(search.named(search.read(request.GET.get("q", "")))[:2])
        if len(found) == 1:
            self.get_changelist_instance(request)  # Raises BadRequest for undeclared parameters.
            return HttpResponseRedirect(cart_address(found[0].id))
        return super().changelist_view(request, extra_context)

    def change_view(  # type: ignore[override]
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        """Show one cart: its value, and its items, the newest first."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        cart_id = search.read(object_id.replace("_2D", "-")).cart_id
        cart = Cart.objects.filter(id=cart_id).first() if cart_id else None
        if cart is None:
            raise Http404(f"There is no cart {object_id}. It may have been erased.")
        after, before = request.GET.get(AFTER), request.GET.get(BEFORE)
        page = search.OF_A_CART.page(
            Item.objects.filter(cart=cart), size=ROWS_PER_PAGE, after=after, before=before
        )
        if not (after or before):
            audit.record(request, AuditEntry.Action.OPENED, cart_id=cart.id)
        title = f"Cart {short_code(cart.id)}"
        return render(
            request, "admin/console/cart.html", title, cart=cart, page=page, state=state_of(cart)
        )


def state_of(cart: Cart) -> str:
    """Return the state of a cart now, by the limits of the filter."""
    active, stale = _limits()
    if cart.updated_at >= active:
        return "active"
    return "idle" if cart.updated_at >= stale else "stale"


def _limits() -> tuple[datetime, datetime]:
    """Return since when an active cart, and since when an idle one, had its last activity."""
    now = timezone.now()
    active, stale = settings.CART_ACTIVE_HOURS, settings.CART_STALE_HOURS
    return now - timedelta(hours=active), now - timedelta(hours=stale)
