"""The cart of a request: `request.cart_id`, and the cookie of the reply (R1-R8)."""

from django.http import HttpRequest, HttpResponse

from middleware.types import GetResponse
from tracker.cart_ids import new_cart_id
from tracker.endpoint.cart import COOKIE_NAME, cart_id_cookie, named_cart_id
from tracker.endpoint.paths import is_items

# R7: the cookie is set when an item was stored, and when the browser should try again.
_REMEMBERED_STATUSES = frozenset({200, 503})


class CartIdMiddleware:
    """Put the cart's UUID on `request.cart_id`, and set the `cart_id` cookie on 200 and 503.

    The UUID is the first valid one of cookie and body, else a new one (R1). Only requests
    below /items have a cart: the console's pages never set the cookie.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_items(request.path_info):
            return self.get_response(request)
        request.cart_id = cart_id = named_cart_id(request) or new_cart_id()  # type: ignore[attr-defined]
        response = self.get_response(request)
        if response.status_code in _REMEMBERED_STATUSES:
            response.cookies[COOKIE_NAME] = cart_id_cookie(cart_id, secure=request.is_secure())
        return response
