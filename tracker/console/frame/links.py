"""Links to the page of a cart."""

from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html

from tracker.cart_ids import short_code


def cart_address(cart_id: UUID) -> str:
    """Return the URL of a cart's page, even if the cart does not exist."""
    return reverse("admin:tracker_cart_change", args=[cart_id])


def cart_link(cart_id: UUID, address: str = "") -> str:
    """Return a cart's code as a link (HTML) to its page, or to another address."""
    return format_html(
        '<a href="{}"><code>{}</code></a>', address or cart_address(cart_id), short_code(cart_id)
    )
