"""Several requests in the envelope of Google's prediction service."""

from typing import Any

from served import Served

ROUTE = "/predict"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 4, "temperature": 0}


def test_several_requests(served: Served) -> None:
    """Each is answered by its own route, named by its words or its path, and in one piece."""
    instances = [
        {"@requestFormat": "chatCompletions", **HELLO, "stream": True},
        {"@requestFormat": "/v1/chat/completions", **HELLO},
        {"@requestFormat": "applyTemplate", **HELLO},
        {"@requestFormat": "tokenize", "content": "hello there"},
        {"@requestFormat": "messages", **HELLO},
    ]
    answer = served.post(ROUTE, {"instances": instances})
    assert answer.status == 200
    chat, same, prompt, tokens, message = answer.json["predictions"]
    direct = served.post("/v1/chat/completions", HELLO).json
    for each in (chat, same):
        assert each["object"] == "chat.completion"
        assert each["choices"] == direct["choices"]
    assert prompt == served.post("/apply-template", HELLO).json
    assert tokens == served.post("/tokenize", {"content": "hello there"}).json
    assert message["type"] == "message"
    assert served.post(ROUTE, {"instances": []}).json == {"predictions": []}


def test_what_is_wrong_with_one(served: Served) -> None:
    """A request that is wrong has its error in its place, in the shape of its dialect, and the others are answered."""
    instances = [
        {"@requestFormat": "chatCompletions"},
        {"@requestFormat": "messages", "max_tokens": 1},
        {"@requestFormat": "nothing"},
        {"@requestFormat": ["tokenize"]},
        {"@requestFormat": "/predict", "instances": []},
        {"content": "hello"},
        {"@requestFormat": "tokenize", "content": "hello"},
    ]
    *wrong, right = served.post(ROUTE, {"instances": instances}).json["predictions"]
    assert wrong[0]["error"]["param"] == "messages"
    assert wrong[1]["type"] == "error"
    for each in wrong[2:]:
        assert "@requestFormat" in each["error"]["message"]
    assert right["tokens"]
    bodies: list[dict[str, Any]] = [{}, {"instances": [1]}, {"instances": [{}] * 129}]
    for body in bodies:
        assert served.post(ROUTE, body).status == 400


def test_keys_are_those_of_the_routes(data_dir: Any) -> None:
    """What needs the admin key needs it here too."""
    with Served(data_dir, api_key="one", admin_key="two") as keyed:
        instances = {"instances": [{"@requestFormat": "internalModelUnload"}]}
        assert keyed.post(ROUTE, instances).status == 401
        (refused,) = keyed.post(ROUTE, instances, Authorization="Bearer one").json["predictions"]
        assert "admin key" in refused["error"]["message"]
        assert keyed.wait_until("ok")["status"] == "ok"
        assert keyed.post(ROUTE, instances, Authorization="Bearer two").json == {"predictions": ["OK"]}
