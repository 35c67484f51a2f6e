"""The snippet, and the reference at /docs: files that a server sends by itself."""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.console.test_headers import Inline, policy_of
from tests.support.live import Server

SNIPPET = "/cart-tracker.v1.js"
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


@pytest.fixture(scope="module", params=["all", "storefront"])
def live(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_database: Callable[[], str],
) -> Iterator[Server]:
    env = {"DATABASE_URL": new_database(), "VAR_DIR": str(tmp_path_factory.mktemp("var"))}
    server = Server("--role", request.param, "--no-drain", env=env)
    yield server
    server.stop()


def test_any_page_may_load_the_snippet(live: Server) -> None:
    reply = live.request("GET", SNIPPET, headers={"Origin": "https://any.example"})
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/javascript")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in reply.headers


def test_under_its_versions_name_it_is_asked_for_again_soon(live: Server) -> None:
    first = live.request("GET", SNIPPET)
    assert first.headers["Cache-Control"] == "max-age=300, public"
    again = live.request("GET", SNIPPET, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_the_page_of_docs_loads_only_files_of_this_server(live: Server) -> None:
    page = live.request("GET", "/docs/")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html;")
    assert Inline(page.body.decode()).found == []
    loaded = re.findall(r'(?:href|src)="([^"]+)"', page.body.decode())
    assert len(loaded) == 5
    for path in loaded:
        assert live.request("GET", path).status == 200, path


@pytest.mark.parametrize("path", ["/docs/", "/docs/viewer.js", "/docs/swagger-ui/swagger-ui.css"])
def test_all_of_docs_has_a_policy_of_its_own(live: Server, path: str) -> None:
    reply = live.request("HEAD", path)
    assert (reply.status, reply.body) == (200, b"")
    assert policy_of(reply) == POLICY
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "same-origin"
    assert reply.headers["Cache-Control"] == "max-age=300, public"
    assert "Cross-Origin-Resource-Policy" not in reply.headers
    assert "Set-Cookie" not in reply.headers


def test_docs_needs_no_slash(live: Server) -> None:
    for method in ("GET", "HEAD"):
        reply = live.request(method, "/docs")
        assert (reply.status, reply.headers["Location"]) == (302, "docs/")
    assert f"http://127.0.0.1:{live.port}/docs\n" in live.printed()


def test_the_console_role_serves_neither(serve: Callable[..., Server]) -> None:
    live = serve("--role", "console")
    for path in (SNIPPET, "/docs", "/docs/", "/docs/swagger-ui/swagger-ui.css"):
        assert live.request("GET", path).status == 404, path
    assert "/docs" not in live.printed()


def test_what_is_beside_them_is_not_served(live: Server) -> None:
    for path in ("/../settings.py", "/%2e%2e/models.py", "//etc/passwd"):
        assert live.request("GET", path).status in (400, 404)
