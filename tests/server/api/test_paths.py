"""Paths of other servers under which the same routes are found, and routes that are there for clients' sake."""

import json
from pathlib import Path
from typing import Any

import pytest

from error_shapes import assert_error
from served import Served

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
CLOCK = {"type": "function", "function": {"name": "tell_time", "parameters": {"type": "object", "properties": {}}}}
CALL = {**HELLO, "max_tokens": 40, "tools": [CLOCK], "tool_choice": "required", "stream": True}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", HELLO),
        ("completions", {"prompt": "hi", "max_tokens": 2}),
        ("embeddings", {"input": "hi"}),
    ],
)
def test_azure(data_dir: Path, path: str, body: dict[str, Any]) -> None:
    """Azure's clients have the model in the path, a version behind it, and the key in a header of their own."""
    with Served(data_dir, api_key="key") as served:
        name = served.wait_until("ok")["model"]
        route = f"/openai/deployments/gpt-4o/{path}?api-version=2024-10-21"
        answer = served.post(route, body, Api_Key="key")
        assert answer.status == 200, answer.body
        assert answer.json["model"] == name
        assert served.get("/openai/models?api-version=2024-10-21", Api_Key="key").json["data"][0]["id"] == name
        refused = served.post(route, body)
        assert refused.status == 401
        assert_error("/v1/chat/completions", refused.status, refused.body)


@pytest.mark.parametrize(
    "path", ["/openai/deployments//chat/completions", "/openai/deployments/a/b", "/openai/nothing"]
)
def test_what_azure_has_and_this_server_has_not(served: Served, path: str) -> None:
    """It is a 404 as any other."""
    answer = served.post(path, HELLO)
    assert answer.status == 404
    assert_error(f"/openai/{path}", answer.status, answer.body)


def test_calls_one_level_deeper(served: Served) -> None:
    """Behind /home-llm a streamed call is written one level deeper too, and nowhere else."""
    for prefix in ("", "/home-llm"):
        chunks = served.post(f"{prefix}/v1/chat/completions", CALL).chunks
        calls = [call for chunk in chunks for part in chunk["choices"] for call in part["delta"].get("tool_calls", ())]
        assert calls
        for call in calls:
            function = call["function"]
            assert json.loads(function["arguments"]) == {}
            inner = {"name": "tell_time", "arguments": "{}"}
            assert function == ({**inner, "function": inner} if prefix else inner)
    assert served.get("/home-llm/api/tags").json["models"]
    answer = served.post("/home-llm/v1/nothing", {})
    assert answer.status == 404
    assert_error("/v1/nothing", answer.status, answer.body)


def test_moderations(served: Served) -> None:
    """Nothing is judged, which is said of each text; what is no text is a 400."""
    assert [each["flagged"] for each in served.post("/v1/moderations", {"input": "hi"}).json["results"]] == [False]
    results = served.post("/v1/moderations", {"input": ["hi", "there"]}).json["results"]
    assert len(results) == 2
    assert set(results[0]["categories"]) == set(results[0]["category_scores"])
    assert not any(results[0]["categories"].values())
    assert served.post("/v1/moderations", {}).status == 400


def test_billing(served: Served) -> None:
    """It costs nothing."""
    assert served.get("/v1/billing/usage").json == {"total_usage": 0}
