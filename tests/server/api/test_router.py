"""Models that requests choose, and that are loaded and freed, as with llama-server's router."""

from pathlib import Path
from typing import Any

import pytest

from served import Served

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
EMBEDDED, BASE = "home-135m", "SmolLM2-135M-Instruct"


def states(served: Served) -> dict[str, str]:
    """Return the models of the list with their states."""
    return {entry["id"]: entry["status"]["value"] for entry in served.get("/models").json["data"]}


@pytest.fixture(name="routing")
def routing_fixture(tiny_paths: dict[str, Path], tmp_path: Path) -> Any:
    """Serve a tiny model beside the embedded one, with the router on."""
    with Served(tmp_path, model=str(tiny_paths["full"]), router="on") as served:
        served.wait_until("ok")
        yield served


def test_requests_choose(routing: Served) -> None:
    """Each request is answered by the model that it names, on every route, and without a name by the one there is."""
    assert states(routing) == {"full": "loaded", EMBEDDED: "unloaded", BASE: "unloaded"}
    for route, name in (
        ("/v1/chat/completions", "full"),
        ("/v1/chat/completions", BASE),
        ("/v1/chat/completions", EMBEDDED),
        ("/v1/messages", "full"),
        ("/v1/messages", EMBEDDED.upper()),
    ):
        assert routing.post(route, {**HELLO, "model": name}).status == 200
        now = routing.get("/health").json["model"]
        assert now.lower() == name.lower()
        assert routing.post("/v1/completions", {"prompt": "Once", "max_tokens": 1}).json["model"] == now
    assert states(routing) == {EMBEDDED: "loaded", BASE: "unloaded", "full": "unloaded"}
    assert routing.get("/v1/models/full").json["status"] == {"value": "unloaded"}


def test_names_that_are_nothing(routing: Served) -> None:
    """A model that is not on this machine is a 404, in the shape of the dialect, and what is no name is the route's."""
    answer = routing.post("/chat/completions", {**HELLO, "model": "non-existent/model", "stream": True})
    assert answer.status == 404
    assert "non-existent/model" in answer.json["error"]["message"]
    assert routing.post("/v1/messages", {**HELLO, "model": "nothing"}).json["type"] == "error"
    assert routing.post("/v1/chat/completions", b"{").status == 400
    assert routing.post("/v1/chat/completions", {**HELLO, "model": 5}).status == 400
    assert routing.post("/tokenize", {"content": "hello"}).status == 200


def test_loading_and_freeing(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """A model is freed until it is wanted, and loaded by its name, with the admin key; names of others are refused."""
    with Served(tmp_path, model=str(tiny_paths["full"]), api_key="one", admin_key="two") as served:
        served.wait_until("ok")
        admin = {"Authorization": "Bearer two"}
        for path in ("/models/load", "/models/unload"):
            assert served.post(path, {"model": "full"}, Authorization="Bearer one").status == 401
            assert served.post(path, {"model": "nothing"}, **admin).status == 404
            assert served.post(path, {}, **admin).status == 400
        assert served.post("/models/unload", {"model": "full"}, **admin).json == {"success": True}
        assert served.get("/health").json["status"] == "unloaded"
        answer = served.post("/models/unload", {"model": "full"}, **admin)
        assert answer.status == 400
        assert "not loaded" in answer.json["error"]["message"]
        assert served.post("/v1/chat/completions", HELLO, **admin).status == 200
        assert served.post("/models/load", {"model": EMBEDDED}, **admin).json == {"success": True}
        assert served.get("/health").json["model"] == EMBEDDED


def test_who_may_choose(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """Loading another model needs the admin key; asking for the one that is there does not."""
    with Served(tmp_path, model=str(tiny_paths["full"]), router="on", api_key="one", admin_key="two") as served:
        served.wait_until("ok")
        route = "/v1/chat/completions"
        assert served.post(route, {**HELLO, "model": EMBEDDED}).status == 401
        assert served.post(route, {**HELLO, "model": EMBEDDED}, Authorization="Bearer one").status == 403
        assert served.post(route, {**HELLO, "model": "full"}, Authorization="Bearer one").status == 200
        assert served.post(route, {**HELLO, "model": EMBEDDED}, Authorization="Bearer two").status == 200


def test_any_name_otherwise(served: Served) -> None:
    """Where the router is off, the model that is there answers to every name, and it alone is listed."""
    assert served.post("/v1/chat/completions", {**HELLO, "model": "gpt-4o-mini"}).status == 200
    (entry,) = served.get("/models").json["data"]
    assert "status" not in entry
