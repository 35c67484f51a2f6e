"""What each code of a refusal means, and what the shop should do about it. In plain words."""

from typing import NamedTuple


class Explanation(NamedTuple):
    meaning: str
    remedy: str


UNKNOWN = Explanation("No explanation of this code is known here.", "Ask whoever runs the tracker.")

EXPLANATIONS = {
    # -- The item (tracker/payload.py) -------------------------------------------------------------
    "required": Explanation(
        "The body has no product_id.", "Send product_id with every add; check its spelling."
    ),
    "blank": Explanation(
        "The product_id is empty or only white space.",
        "Find out why the shop's page has no id for this product.",
    ),
    "not_a_string": Explanation(
        "product_id or name is a number, a list or the like.",
        'Send it in quotes: "4711", not 4711.',
    ),
    "too_long": Explanation(
        "product_id has more than 255 characters, or name more than 1,000.",
        "Send the id itself, and a short name.",
    ),
    "null_character": Explanation(
        "product_id or name has the character U+0000 in it, which can't be stored.",
        "Take it out before sending.",
    ),
    "not_an_integer": Explanation(
        "The price is no whole number.", "Send cents: 1299 for 12.99, without quotes or a point."
    ),
    "out_of_range": Explanation(
        "The price is negative, or too large to be one.", "Send cents from 0 upwards."
    ),
    "not_an_object": Explanation(
        "The body is JSON, but no object.", "Send one item at a time, in braces: {…}, not […]."
    ),
    # -- The body (middleware/request.py) ----------------------------------------------------------
    "malformed_json": Explanation(
        "The body is no valid JSON in UTF-8.",
        "Write it with a JSON library (JSON.stringify), never by hand.",
    ),
    "unsupported_media_type": Explanation(
        "The Content-Type is neither JSON nor plain text.",
        "Send application/json or text/plain; a form's fields are not understood.",
    ),
    "unsupported_content_encoding": Explanation(
        "The body is compressed.", "Send it as it is, without a Content-Encoding."
    ),
    "body_too_large": Explanation(
        "The body is larger than is taken: 16 KiB for an add.",
        "Send only product_id, name, price and cart_id.",
    ),
    "body_timeout": Explanation(
        "The body did not arrive within 10 seconds.",
        "Send it again; if it happens often, look at the network between.",
    ),
    "body_incomplete": Explanation(
        "The body ended before its announced length: the connection broke, or the page was left.",
        "Send adds with keepalive or as a beacon, so that they outlive the page.",
    ),
    # -- The request as a whole --------------------------------------------------------------------
    "origin_not_allowed": Explanation(
        "A page of this origin may not send adds.",
        "If it is a shop of ours, have its origin put into STOREFRONT_ORIGINS.",
    ),
    "host_not_allowed": Explanation(
        "The request names a host that this service does not answer for.",
        "Use the tracker's right address, or have the host put into ALLOWED_HOSTS.",
    ),
    "method_not_allowed": Explanation(
        "Another method than POST was used.",
        "Use POST; a redirect on the way may have turned it into a GET.",
    ),
    "not_found": Explanation(
        "There is nothing at this address below /items.", "Send adds to /items itself."
    ),
    "bad_request": Explanation(
        "The request can't be understood.", "Compare it with the example in the documentation."
    ),
    "malformed_request": Explanation(
        "This is no valid HTTP: another protocol, a scanner, or a broken client.",
        "If it is a shop's, use an ordinary HTTP client, and https only where it is served.",
    ),
    "head_too_large": Explanation(
        "The address and headers have more than 32 KiB, mostly of cookies.",
        "Delete cookies that the shop's domain has collected.",
    ),
    "head_timeout": Explanation(
        "The headers did not arrive within 10 seconds: a bad network, or an attack.",
        "Nothing, unless it happens often.",
    ),
    # -- Ours --------------------------------------------------------------------------------------
    "unavailable": Explanation(
        "The tracker could not store it safely: a database, a stream or a disk was away or full.",
        "Send it again with the same cart id; /readyz tells what is down.",
    ),
    "internal_error": Explanation(
        "The tracker failed.",
        "Send it again, and tell whoever runs the tracker the request's id: it is in the log.",
    ),
}
