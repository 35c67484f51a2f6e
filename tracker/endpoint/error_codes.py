"""The one table of error codes: status, meaning and remedy of each (R31).

The endpoint takes the status from it, the console's refusals page the meaning and the remedy. Tests
compare openapi.json and the table in docs/integration.md with it, in this order.
"""

from enum import StrEnum
from typing import Self


class ErrorCode(StrEnum):
    """A fixed word, which is part of the interface and the label of the refusals' metric.

    The meaning is one sentence for people. The remedy tells the shop's engineer what to do.
    Both are plain text in which backticks enclose code.
    """

    status: int
    meaning: str
    remedy: str

    def __new__(cls, code: str, status: int, meaning: str, remedy: str) -> Self:
        """Make the member whose value is the code alone."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.status, member.meaning, member.remedy = status, meaning, remedy
        return member

    # -- The item (tracker/endpoint/payload.py) ----------------------------------------------------
    REQUIRED = (
        "required",
        400,
        "The body has no `product_id`.",
        "Send `product_id` with every add; check its spelling.",
    )
    NOT_A_STRING = (
        "not_a_string",
        400,
        "`product_id` or `name` is a number, a list or the like.",
        "Put it in quotes: `String(id)`.",
    )
    BLANK = (
        "blank",
        400,
        "The `product_id` is empty or only white space.",
        "Find out why the shop's page has no id for this product.",
    )
    TOO_LONG = (
        "too_long",
        400,
        "`product_id` has more than 255 characters, or `name` more than 1,000.",
        "Cut the name. Never cut an id: two products could become one.",
    )
    NULL_CHARACTER = (
        "null_character",
        400,
        "`product_id` or `name` contains the character U+0000, which can't be stored.",
        "Remove it before sending.",
    )
    NOT_AN_INTEGER = (
        "not_an_integer",
        400,
        "The price is a string, or has a fraction or an exponent.",
        "Send whole cents, 1299 for 12.99: `Math.round(price * 100)`.",
    )
    OUT_OF_RANGE = (
        "out_of_range",
        400,
        "The price is negative or above 9007199254740991.",
        "Check how the page computes it.",
    )
    NOT_AN_OBJECT = (
        "not_an_object",
        400,
        "The body is JSON, but not an object.",
        "Send one item at a time, in braces: `{…}`, not `[…]`.",
    )
    # -- The body (tracker/endpoint/body.py) -------------------------------------------------------
    MALFORMED_JSON = (
        "malformed_json",
        400,
        "The body is not one valid JSON text in UTF-8.",
        "Write it with a JSON library (`JSON.stringify`). A form's fields are not JSON.",
    )
    BODY_INCOMPLETE = (
        "body_incomplete",
        400,
        "The body ended before its `Content-Length`: the connection broke, or the page was left.",
        "Send adds with `keepalive` or as a beacon. `Content-Length` counts bytes.",
    )
    # -- The request as a whole --------------------------------------------------------------------
    MALFORMED_REQUEST = (
        "malformed_request",
        400,
        "This is not valid HTTP/1.1: another protocol, a scanner, or a broken client.",
        "Use an HTTP library; send https to the proxy, not to the tracker behind it.",
    )
    HOST_NOT_ALLOWED = (
        "host_not_allowed",
        400,
        "The `Host` header names a host that the tracker does not answer for.",
        "Use the tracker's right address, or have the host added to `ALLOWED_HOSTS`.",
    )
    BAD_REQUEST = (  # Any status below 500 that has no code of its own.
        "bad_request",
        400,
        "The request can't be understood, for a reason that has no code of its own.",
        "Show the operator the answer's `X-Request-ID`.",
    )
    ORIGIN_NOT_ALLOWED = (
        "origin_not_allowed",
        403,
        "The page's origin is not in the list. Its script sees a failed `fetch`, not this answer.",
        "Have it added to `STOREFRONT_ORIGINS`, whole. `www.`, a port and `http:` make another.",
    )
    NOT_FOUND = (
        "not_found",
        404,
        "There is nothing at this address below `/items`.",
        "Send adds to `/items`, and the end of a cart to `/items/reset`.",
    )
    METHOD_NOT_ALLOWED = (
        "method_not_allowed",
        405,
        "The method is neither POST nor OPTIONS.",
        "Use POST. A redirect on the way (`http:` to `https:`) turns a POST into a GET.",
    )
    HEAD_TIMEOUT = (
        "head_timeout",
        408,
        "The headers did not arrive within 10 seconds: a bad network, or an attack.",
        "Send it again.",
    )
    BODY_TIMEOUT = (
        "body_timeout",
        408,
        "The body did not arrive within 10 seconds.",
        "Send it again; if it happens often, check the network between.",
    )
    BODY_TOO_LARGE = (
        "body_too_large",
        413,
        "The body is larger than the limit: 16 KiB for an add.",
        "Send only `product_id`, `name`, `price` and `cart_id`, one item for each request.",
    )
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported_media_type",
        415,
        "The `Content-Type` is neither JSON nor plain text.",
        "Send `application/json` or `text/plain`. curl's `--data` alone says that it is a form.",
    )
    UNSUPPORTED_CONTENT_ENCODING = (
        "unsupported_content_encoding",
        415,
        "The body is compressed, or otherwise encoded.",
        "Send it as it is, without a `Content-Encoding`.",
    )
    HEAD_TOO_LARGE = (
        "head_too_large",
        431,
        "The address and headers have more than 32 KiB, mostly of cookies.",
        "Delete cookies that the shop's domain has collected.",
    )
    # -- The tracker's own -------------------------------------------------------------------------
    INTERNAL_ERROR = (  # Any status from 500 on that has no code of its own.
        "internal_error",
        500,
        "The tracker failed: a defect.",
        "Send it again; if it stays, show the operator the answer's `X-Request-ID`.",
    )
    UNAVAILABLE = (
        "unavailable",
        503,
        "The item can't be stored safely now: a database, a stream or a disk is away or full.",
        "Send it again with the same cart id; `/readyz` tells the operator what is down.",
    )
