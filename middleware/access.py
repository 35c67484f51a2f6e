"""An id for every request, and a log line for each that was refused or failed."""

import itertools
import logging
import re
import secrets

from django.http import HttpRequest, HttpResponse

from middleware.types import GetResponse
from tracker.cart_ids import short_code
from tracker.endpoint.paths import is_items
from tracker.endpoint.problem import request_refused

log = logging.getLogger("access")

# The ids that a proxy or a client may choose: nothing that could break a log or a header.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class AccessMiddleware:
    """The outermost layer of /items: X-Request-ID, the client's own or a new one, and the log.

    No whole cart id and no body is logged: people who read logs must not get access to carts.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._numbers = itertools.count()
        self._process = secrets.token_hex(6)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_items(request.path_info):
            return self.get_response(request)
        request_id = request.META.get("HTTP_X_REQUEST_ID", "")
        if not _ACCEPTABLE.fullmatch(request_id):
            request_id = f"{self._process}-{next(self._numbers):x}"
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        if response.status_code >= 400:
            _log(request, response, request_id)
            # Robust: a receiver that fails must not replace the answer.
            request_refused.send_robust(
                AccessMiddleware, request=request, response=response, request_id=request_id
            )
        return response


def _log(request: HttpRequest, response: HttpResponse, request_id: str) -> None:
    problem = getattr(response, "problem", None)
    cart_id = getattr(request, "cart_id", None)
    level = logging.ERROR if response.status_code >= 500 else logging.INFO
    log.log(
        level,
        "refused",
        extra={
            "request_id": request_id,
            "method": request.method,
            "path": request.path_info[:64],
            "status": response.status_code,
            "codes": [fault.code for fault in problem.faults] if problem else [],
            "origin": request.META.get("HTTP_ORIGIN", "")[:128],
            "cart": short_code(cart_id) if cart_id else "",
        },
    )
