"""text-generation-webui's first API, as its clients of 2023 ask and read."""

from pathlib import Path
from typing import Any

import pytest

from error_shapes import assert_error
from served import Served

GREEDY: dict[str, Any] = {"temperature": 0, "repetition_penalty": 1.0, "max_new_tokens": 6}
# What those clients send with every request.
FIELDS: dict[str, Any] = {
    "preset": "None",
    "do_sample": True,
    "typical_p": 1,
    "epsilon_cutoff": 0,
    "tfs": 1,
    "top_a": 0,
    "top_k": 40,
    "min_length": 0,
    "no_repeat_ngram_size": 0,
    "num_beams": 1,
    "penalty_alpha": 0,
    "length_penalty": 1,
    "early_stopping": False,
    "mirostat_mode": 0,
    "seed": -1,
    "add_bos_token": True,
    "skip_special_tokens": True,
    "truncation_length": 2048,
    "ban_eos_token": False,
    "stopping_strings": [],
}
TEXT = "The capital of France is"


def generated(served: Served, **fields: Any) -> str:
    """Return the text of an answer."""
    answer = served.post("/api/v1/generate", {"prompt": TEXT, **FIELDS, **GREEDY, **fields})
    assert answer.status == 200, answer.body
    (result,) = answer.json["results"]
    text: str = result["text"]
    return text


def test_generate(served: Served) -> None:
    """The text is what the later API continues with, and its old names of fields are understood."""
    body = {"prompt": TEXT, "max_tokens": 6, "temperature": 0, "top_p": 1}
    assert generated(served) == served.post("/v1/completions", body).json["choices"][0]["text"]
    assert len(generated(served, max_new_tokens=1)) < len(generated(served))
    short = {"max_length": 2, "rep_pen": 1.0, "max_context_length": 512, "prompt": TEXT, "temperature": 0}
    assert served.post("/api/v1/generate", short).json["results"][0]["text"] == generated(served, max_new_tokens=2)
    word = generated(served).split()[0]
    assert word not in generated(served, stopping_strings=[word])
    assert generated(served, grammar_string='root ::= "yes"') == "yes"


def chatted(served: Served, **fields: Any) -> dict[str, Any]:
    """Return the history that an answer goes on with."""
    answer = served.post("/api/v1/chat", {**FIELDS, **GREEDY, "mode": "instruct", "character": "Example", **fields})
    assert answer.status == 200, answer.body
    (result,) = answer.json["results"]
    history: dict[str, Any] = result["history"]
    return history


def test_chat(served: Served) -> None:
    """The history grows by what was said and answered, the last answer is given again, or is gone on with."""
    first = chatted(served, user_input="Say hello.", history={"internal": [], "visible": []})
    assert first["internal"] == first["visible"]
    ((said, answer),) = first["internal"]
    assert said == "Say hello."
    assert answer
    second = chatted(served, user_input="And bye?", history=first)
    assert second["internal"][0] == first["internal"][0]
    assert len(second["visible"]) == 2
    again = chatted(served, user_input="", history=second, regenerate=True)
    assert again == second
    on = chatted(served, user_input="", history=first, _continue=True)
    assert on["internal"][0][1].startswith(answer)
    assert len(on["internal"][0][1]) > len(answer)
    greeted = {"internal": [["<|BEGIN-VISIBLE-CHAT|>", "Hi."]], "visible": [["", "Hi."]]}
    assert len(chatted(served, user_input="Hi.", history=greeted)["internal"]) == 2


def test_tokens_and_models(data_dir: Path) -> None:
    """Tokens are counted, models told of, listed, freed and loaded; changes need the admin key."""
    key, admin = {"Authorization": "Bearer api"}, {"Authorization": "Bearer admin"}
    with Served(data_dir, api_key="api", admin_key="admin") as served:
        name = served.wait_until("ok")["model"]
        assert served.post("/api/v1/token-count", {"prompt": "hello there"}, **key).json == {"results": [{"tokens": 2}]}
        assert served.post("/api/v1/stop-stream", **key).json == {"results": "success"}
        assert served.get("/api/v1/model", **key).json == {"result": name}
        assert served.post("/api/v1/model", {"action": "unload"}, **key).status == 401
        assert name in served.post("/api/v1/model", {"action": "list"}, **admin).json["result"]
        assert served.post("/api/v1/model", {"action": "unload"}, **admin).json == {"result": "None"}
        loaded = served.post("/api/v1/model", {"action": "load", "model_name": "embedded"}, **admin).json["result"]
        assert loaded != "None"
        for wrong, status in (({"action": "load"}, 400), ({"action": "load", "model_name": "nothing"}, 404)):
            answer = served.post("/api/v1/model", wrong, **admin)
            assert answer.status == status
            assert_error("/api/v1/model", answer.status, answer.body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/generate", {}),
        ("/api/v1/generate", {"prompt": 5}),
        ("/api/v1/generate", {"prompt": "a", "max_new_tokens": 0}),
        ("/api/v1/chat", {"user_input": "a", "history": {"internal": [["a"]]}}),
        ("/api/v1/model", {"action": "wish"}),
    ],
)
def test_wrong_bodies(served: Served, path: str, body: dict[str, Any]) -> None:
    """They are a 400 that names the field."""
    answer = served.post(path, body)
    assert answer.status == 400
    assert_error(path, answer.status, answer.body)
