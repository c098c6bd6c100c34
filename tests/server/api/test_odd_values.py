"""Every field of every documented body with values that nobody should send: never a fault of the server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

from served import Served

DIALECTS = {"OpenAI", "text-generation-webui", "Ollama", "Anthropic", "llama-server", "Home LLM"}
# Loading takes long, and fails for good reasons; what a slot is to do stands in the address.
LEFT_OUT = {"/v1/internal/model/load", "/models/load", "/models/unload", "/slots/{slot}"}
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    3,
    2**70,
    1.5,
    "",
    "x",
    "\u0000\U0010ffff",
    [],
    [[]],
    [None],
    [1, "a"],
    {},
    {"a": 1},
    {"type": "function"},
    [{"type": "text", "role": "user", "content": "x"}],
]
# Answers that would take long.
SHORT = {"max_tokens": 2, "n_predict": 2, "max_output_tokens": 2, "options": {"num_predict": 2}}


@pytest.fixture(scope="module", name="house")
def house_fixture(tiny_paths: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a tiny model, which answers at once."""
    with Served(tmp_path_factory.mktemp("odd"), model=str(tiny_paths["full"]), context_size=256, threads=1) as served:
        served.wait_until("ok")
        yield served


def bodies(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield path, method, properties and example of every body that is an object."""
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            wanted = DIALECTS & set(operation["tags"]) and path not in LEFT_OUT
            if not wanted or "$ref" not in content.get("schema", {}):
                continue
            schema = api["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
            yield path, method.upper(), schema["properties"], content["example"]


def test_odd_values(house: Served) -> None:
    """Each is answered, or refused with an object that names what is wrong."""
    tried = 0
    running = {"model": house.get("/v1/models").json["data"][0]["id"]}
    for path, method, properties, example in bodies(house.get("/openapi.json").json):
        short = {name: value for name, value in {**SHORT, **running}.items() if name in properties}
        for name in properties:
            for value in VALUES:
                raw = flask.json.dumps({**example, **short, name: value}).encode()
                answer = house.request(method, path, raw)
                what = (path, name, value, answer.body[:500])
                # Ollama's clients are told that there is no such model; others get the one that runs.
                unknown = path.startswith("/api/") and name == "model" and answer.status == 404
                assert answer.status in {200, 400} or unknown, what
                assert b"server_error" not in answer.body, what
                assert b"api_error" not in answer.body, what
                if answer.status != 200:
                    error = answer.json["error"]
                    assert error if path.startswith("/api/") else error["message"], what
                tried += 1
    assert tried > 3000
    assert house.get("/health").json["status"] == "ok"
