"""Items: the list, the newest first, and the page of an item."""

from django.contrib import admin
from django.db.models import QuerySet

from tracker.console.frame.links import cart_link
from tracker.console.frame.money import in_currency
from tracker.console.lists import search
from tracker.console.lists.changelist import ReadOnlyAdmin
from tracker.console.lists.paging import Keyset
from tracker.models import Item


@admin.register(Item)
class ItemAdmin(ReadOnlyAdmin):
    list_display = ("product_id", "name", "price_text", "cart_link", "created_at", "updated_at")
    fields = ("product_id", "name", "price_text", "cart_link", "created_at", "updated_at")
    readonly_fields = ("price_text", "cart_link")
    search_fields = ("product_id",)
    search_help_text = "A product's id or its beginning; a cart's id or its 8-digit code."
    keyset = ("-created_at", "-id")

    @admin.display(description="price")
    def price_text(self, item: Item) -> str:
        return in_currency(item.price)

    @admin.display(description="cart")
    def cart_link(self, item: Item) -> str:
        return cart_link(item.cart_id)

    def search(self, typed: str, rows: QuerySet[Item]) -> tuple[QuerySet[Item], Keyset]:
        return search.items(search.read(typed), rows)
