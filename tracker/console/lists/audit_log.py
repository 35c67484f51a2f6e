"""The audit log: the list, and the page of an entry. Only an erasure changes entries."""

from django.contrib import admin

from tracker.console.frame.links import cart_link
from tracker.console.lists.changelist import ReadOnlyAdmin
from tracker.console.models import AuditEntry


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdmin):
    list_display = ("at", "username", "action", "cart", "detail")
    list_filter = ("action",)
    keyset = ("-at", "-id")

    @admin.display(description="cart")
    def cart(self, entry: AuditEntry) -> str:
        return cart_link(entry.cart_id) if entry.cart_id else "-"
