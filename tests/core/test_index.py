"""/ says where to go from here."""

from collections.abc import Callable

import pytest

from tests.support.live import Server


@pytest.mark.parametrize("env", [{"ROLE": "all"}, {"ROLE": "console"}, {"DEBUG": "1"}], ids=str)
def test_it_leads_to_the_console(serve: Callable[..., Server], env: dict[str, str]) -> None:
    live = serve(**env)
    for method in ("GET", "HEAD"):
        reply = live.request(method, "/")
        assert (reply.status, reply.headers["Location"]) == (302, "/admin/")
        assert "Set-Cookie" not in reply.headers
    assert live.request("POST", "/").status == 405


def test_in_the_storefront_role_it_says_what_this_is(serve: Callable[..., Server]) -> None:
    live = serve(ROLE="storefront")
    page, head = live.request("GET", "/"), live.request("HEAD", "/")
    assert page.status == head.status == 200
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert head.body == b""
    for name in ("Cart Tracker", "POST /items", "/docs", "/openapi.json"):
        assert name in page.body.decode()
    assert "Set-Cookie" not in page.headers
    refused = live.request("POST", "/")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")
