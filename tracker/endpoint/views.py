"""The views of the endpoint: methods and answers (R9, R17, R30, R32)."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tracker.endpoint.body import json_body
from tracker.endpoint.cart import COOKIE_NAME, expired_cookie
from tracker.endpoint.error_codes import ErrorCode
from tracker.endpoint.payload import parse_add
from tracker.endpoint.problem import Problem, no_content
from tracker.intake.contract import Unavailable
from tracker.intake.group import accept

RETRY_AFTER_S = 2


# Requests come from other sites by design. The list of origins protects them (R34), not a token.
@csrf_exempt
def items(request: HttpRequest) -> HttpResponse:
    """Answer POST /items: check the item, make it durable, return the cart's id.

    Raises Problem for whatever is refused. Nothing is stored then (R23), with one exception: after
    a 503 the add may be stored or not, and sending it again does no harm.
    """
    if request.method == "OPTIONS":
        return no_content(_ALLOW)
    if request.method != "POST":
        raise _METHOD_NOT_ALLOWED
    cart_id: UUID = request.cart_id  # type: ignore[attr-defined]  # CartIdMiddleware put it there.
    add = parse_add(cart_id, json_body(request))
    try:
        accept(request.META, add)
    except Unavailable:
        raise _UNAVAILABLE from None
    return HttpResponse(
        b'{"cart_id": "%b"}' % str(cart_id).encode(),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )


@csrf_exempt
def reset(request: HttpRequest) -> HttpResponse:
    """Answer POST /items/reset: 204, and the browser's cart cookie expires (R9).

    Reads no body, stores and deletes nothing. Idempotent.
    """
    if request.method == "OPTIONS":
        return no_content(_ALLOW)
    if request.method != "POST":
        raise _METHOD_NOT_ALLOWED
    response = no_content({"Cache-Control": "no-store"})
    response.cookies[COOKIE_NAME] = expired_cookie(secure=request.is_secure())
    return response


_ALLOW = {"Allow": "OPTIONS, POST"}
_METHOD_NOT_ALLOWED = Problem.one(ErrorCode.METHOD_NOT_ALLOWED, "Use POST.", headers=_ALLOW)
_UNAVAILABLE = Problem.one(
    ErrorCode.UNAVAILABLE,
    "The item can't be stored safely now. Send it again, with the same cart id.",
    headers={"Retry-After": str(RETRY_AFTER_S)},
)
