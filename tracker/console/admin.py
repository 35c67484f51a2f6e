"""Carts and items, to look at. Nobody adds, edits or deletes them by hand."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from tracker.models import Cart, Item

admin.site.site_header = admin.site.site_title = "Cart Tracker"
admin.site.index_title = "Operations console"
admin.site.site_url = None  # There is no site to view: the tracker has no pages of its own.


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Looks, and does not touch: shoppers write this data, and nobody else."""

    actions = None
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Cart)
class CartAdmin(ReadOnlyAdmin):
    list_display = ("id", "created_at", "updated_at")
    fields = ("id", "created_at", "updated_at", "items")
    readonly_fields = ("items",)
    ordering = ("id",)

    @admin.display(description="items")
    def items(self, cart: Cart) -> str:
        """A link, and no inline: a cart can hold thousands of items."""
        address = reverse("admin:tracker_item_changelist")
        return format_html(
            '<a href="{}?cart__id__exact={}">Items of this cart</a>', address, cart.pk
        )


@admin.register(Item)
class ItemAdmin(ReadOnlyAdmin):
    list_display = ("product_id", "name", "price", "cart_link", "created_at", "updated_at")
    fields = ("product_id", "name", "price", "cart_link", "created_at", "updated_at")
    readonly_fields = ("cart_link",)
    ordering = ("id",)

    @admin.display(description="cart")
    def cart_link(self, item: Item) -> str:
        address = reverse("admin:tracker_cart_change", args=[item.cart_id])
        return format_html('<a href="{}">{}</a>', address, item.cart_id)
