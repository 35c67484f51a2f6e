"""The cart's cookie, for all Django peers."""

import uuid

COOKIE_MAX_AGE_S = 31_536_000


def from_cookie(request):
    """Return the cart that the cookie names, or None."""
    try:
        return uuid.UUID(request.COOKIES["cart_id"])
    except (KeyError, ValueError):
        return None


def remember(response, cart_id):
    """Set the cookie. Return the response."""
    response.set_cookie(
        "cart_id", str(cart_id), max_age=COOKIE_MAX_AGE_S, httponly=True, samesite="Lax"
    )
    return response
