"""The way from any page to a cart's."""

from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html

from tracker.cart_ids import short_code


def cart_address(cart_id: UUID) -> str:
    """Of a cart's page, be there such a cart or not."""
    return reverse("admin:tracker_cart_change", args=[cart_id])


def cart_link(cart_id: UUID, address: str = "") -> str:
    """Its code, as a link to its page, or to another address about it: markup."""
    return format_html(
        '<a href="{}"><code>{}</code></a>', address or cart_address(cart_id), short_code(cart_id)
    )
