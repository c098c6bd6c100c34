"""API key and admin key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from error_shapes import assert_error
from served import Served

ADMIN = "admin-key"


@pytest.fixture(scope="module", name="keyed")
def keyed_fixture(data_dir: Path) -> Iterator[Served]:
    """Serve with both keys."""
    with Served(data_dir, api_key="api-key", admin_key=ADMIN) as served:
        served.wait_until("ok")
        yield served


OPEN = ["/", "/health", "/v1/health", "/healthz", "/readyz", "/v1/internal/health", "/docs", "/openapi.json"]
GUARDED = ["/v1/models", "/v1/internal/model/info", "/v1/nothing"]
ADMIN_ONLY = ["/v1/internal/model/list"]


@pytest.mark.parametrize("path", OPEN)
def test_open_routes(keyed: Served, path: str) -> None:
    """Health is open: the Supervisor has no key."""
    assert keyed.get(path).status == 200


@pytest.mark.parametrize("path", [*GUARDED, *ADMIN_ONLY])
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}, {"X_Api_Key": "wrong"}]
)
def test_wrong_keys(keyed: Served, path: str, headers: dict[str, str]) -> None:
    """A missing or wrong key is a 401 with an object, on the internal routes with `detail` too."""
    answer = keyed.get(path, **headers)
    assert answer.status == 401
    assert answer.json["error"]["type"] == "authentication_error"
    assert ("detail" in answer.json) == path.startswith("/v1/internal")


@pytest.mark.parametrize("path", GUARDED[:2])
@pytest.mark.parametrize("key", ["api-key", ADMIN])
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "{}"])
def test_right_keys(keyed: Served, path: str, key: str, form: str) -> None:
    """Either key opens the API, as a bearer token, bare, or in Anthropic's header."""
    assert keyed.get(path, Authorization=form.format(key)).status == 200
    assert keyed.get(path, X_Api_Key=key).status == 200


@pytest.mark.parametrize("path", ADMIN_ONLY)
def test_admin_routes(keyed: Served, path: str) -> None:
    """Where there is an admin key, the API key does not open its routes."""
    assert keyed.get(path, Authorization="Bearer api-key").status == 401
    assert keyed.get(path, Authorization=f"Bearer {ADMIN}").status == 200


def test_posts_are_guarded(keyed: Served) -> None:
    """Without a key nothing is generated, loaded or stopped."""
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/internal/stop-generation"):
        assert keyed.post(path, {"messages": [{"role": "user", "content": "hi"}]}).status == 401
    for path in ("/v1/internal/model/load", "/v1/internal/model/unload"):
        assert keyed.post(path, {"model_name": "embedded"}, Authorization="Bearer api-key").status == 401
    assert keyed.get("/health").json["status"] == "ok"


def test_pages_of_other_sites(keyed: Served, served: Served) -> None:
    """Where a key guards the answers, scripts of any page may read them, also what is wrong; else no other site's."""
    origin = "https://chat.example"
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    before = keyed.request("OPTIONS", "/v1/chat/completions", None, Origin=origin, **asked)
    assert before.status == 200
    assert "Authorization" in before.headers["Access-Control-Allow-Headers"]
    assert "POST" in before.headers["Access-Control-Allow-Methods"]
    right = keyed.get("/v1/models", Origin=origin, Authorization="Bearer api-key")
    wrong = keyed.get("/v1/models", Origin=origin)
    assert (right.status, wrong.status) == (200, 401)
    for answer in (before, right, wrong):
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in answer.headers["Vary"]
    for answer in (
        keyed.get("/health"),
        served.get("/v1/models", Origin=origin),
        served.request("OPTIONS", "/v1/models", None, Origin=origin, **asked),
    ):
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        ("http://localhost", True),
        ("https://localhost:8080", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:3000", True),
        ("http://localhost.evil.example", False),
        ("http://evil.example:80@localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("file://localhost", False),
        ("http://[", False),
        ("null", False),
    ],
)
def test_pages_of_this_machine(served: Served, origin: str, may: bool) -> None:
    """Without a key scripts of pages that this machine serves itself may read answers, and those of no others."""
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}
    for answer in (
        served.get("/v1/models", Origin=origin),
        served.request("OPTIONS", "/v1/chat/completions", None, Origin=origin, **asked),
    ):
        assert answer.status == 200
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if may else None)
        assert "Origin" in answer.headers["Vary"]


WRONG_PLACES = [
    {"Authorization": "Basic dXNlcjphcGkta2V5"},
    {"Authorization": "Token api-key"},
    {"Authorization": "Digest api-key"},
    {"Authorization": "api-key api-key"},
    {"Authorization": "Bearer api-key, Bearer wrong"},
    {"Authorization": "Bearer \u00e4pi-key"},
    {"X_Api_Key": "Bearer api-key"},
    {"X_Auth_Token": "api-key"},
    {"Cookie": "api_key=api-key; Authorization=Bearer api-key"},
    {"Proxy_Authorization": "Bearer api-key"},
    {"Api_Key": "API-KEY"},
    {"Authorization": "Bearer " + "k" * 60_000},
]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/messages", "/api/tags", "/v1/internal/model/info"])
@pytest.mark.parametrize("headers", WRONG_PLACES)
def test_keys_in_wrong_places(keyed: Served, path: str, headers: dict[str, str]) -> None:
    """A key in another header, in another scheme, in a cookie or in the address is a 401 that says where it belongs."""
    method = "POST" if path == "/v1/messages" else "GET"
    answer = keyed.request(method, f"{path}?api_key=api-key&key=api-key&access_token=api-key", b"{}", **headers)
    assert answer.status == 401
    assert_error(path, answer.status, answer.body)
    assert b"Authorization: Bearer KEY" in answer.body
