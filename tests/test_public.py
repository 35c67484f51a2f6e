"""The files that pages of shops load, as a server sends them."""

from collections.abc import Callable, Iterator

import pytest

from tests.live import Server

pytestmark = pytest.mark.once
SNIPPET = "/cart-tracker.v1.js"


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


def test_the_consoles_role_has_none(serve: Callable[..., Server]) -> None:
    assert serve("--role", "console").request("GET", SNIPPET).status == 404


def test_what_is_beside_them_is_not_served(live: Server) -> None:
    for path in ("/../settings.py", "/%2e%2e/models.py", "//etc/passwd"):
        assert live.request("GET", path).status in (400, 404)
