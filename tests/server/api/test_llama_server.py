"""llama-server's own routes: tokens, templates, its native completion, and looks at the server."""

import json
from pathlib import Path
from typing import Any

import pytest

from served import Served

PROMPT = "The capital of France is"
BODY: dict[str, Any] = {"prompt": PROMPT, "n_predict": 2, "temperature": 0}


def completed(served: Served, **fields: Any) -> dict[str, Any]:
    """Return an answer to the native route."""
    answer = served.post("/completion", {**BODY, **fields})
    assert answer.status == 200, answer.body
    value: dict[str, Any] = answer.json
    return value


def test_tokens_and_back(served: Served) -> None:
    """Text becomes tokens and text again, in any script; tokens in the list stay as they are."""
    for text in ("hello there", "Grüße 👋 日本", "", "<|im_end|>"):
        tokens = served.post("/tokenize", {"content": text}).json["tokens"]
        assert served.post("/detokenize", {"tokens": tokens}).json == {"content": text}
    mixed = served.post("/tokenize", {"content": ["hello", 5, " there"]}).json["tokens"]
    assert mixed[1] == 5


def test_special_tokens(served: Served) -> None:
    """parse_special tells whether a role's marker is one token or the characters it is written with."""
    (one,) = served.post("/tokenize", {"content": "<|im_start|>"}).json["tokens"]
    many = served.post("/tokenize", {"content": "<|im_start|>", "parse_special": False}).json["tokens"]
    assert len(many) > 1
    assert one not in many


def test_pieces(served: Served) -> None:
    """with_pieces tells the text of each token, or its bytes where they are no whole character."""
    pieces = served.post("/tokenize", {"content": "the 𒀀", "with_pieces": True}).json["tokens"]
    whole = b"".join(bytes(p["piece"]) if isinstance(p["piece"], list) else p["piece"].encode() for p in pieces)
    assert whole.decode() == "the 𒀀"
    assert any(isinstance(piece["piece"], list) for piece in pieces)
    assert all(isinstance(piece["id"], int) for piece in pieces)


def test_template(served: Served) -> None:
    """A conversation becomes the prompt that the model would read, with its tools."""
    tool = {"type": "function", "function": {"name": "get_time"}}
    body = {"messages": [{"role": "user", "content": "hi"}], "tools": [tool]}
    prompt = served.post("/apply-template", body).json["prompt"]
    assert prompt.endswith("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")
    assert "get_time" in prompt


def test_native_completion(served: Served) -> None:
    """An answer has llama-server's fields, and the same text as OpenAI's route gives."""
    value = completed(served)
    body = {"prompt": PROMPT, "max_tokens": 2, "temperature": 0}
    assert value["content"] == served.post("/v1/completions", body).json["choices"][0]["text"]
    assert (value["stop"], value["stop_type"], value["stopping_word"]) == (True, "limit", "")
    assert value["tokens_predicted"] == value["timings"]["predicted_n"] == 2
    assert value["tokens_evaluated"] == len(served.post("/tokenize", {"content": PROMPT}).json["tokens"])
    assert value["prompt"] == PROMPT
    assert value["tokens"] == []
    assert "completion_probabilities" not in value
    settings = value["generation_settings"]
    assert (settings["temperature"], settings["top_k"], settings["min_p"], settings["n_predict"]) == (0, 40, 0.05, 2)
    assert served.post("/completions", BODY).json["content"] == value["content"]


def test_why_it_stopped(served: Served) -> None:
    """stop_type tells a limit, a word and the model's own end apart."""
    assert completed(served, n_predict=20, stop=["Paris"])["stopping_word"] == "Paris"
    assert completed(served, n_predict=20, stop=["Paris"])["stop_type"] == "word"
    assert completed(served, n_predict=20, grammar='root ::= " Paris"')["stop_type"] == "eos"


def test_streamed(served: Served) -> None:
    """A stream is chunks with stop false and a last one with all the fields, without [DONE]."""
    answer = served.post("/completion", {**BODY, "stream": True})
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert b"[DONE]" not in answer.body
    *chunks, last = answer.chunks
    assert all(chunk["stop"] is False and chunk["content"] for chunk in chunks)
    whole = completed(served)
    assert "".join(chunk["content"] for chunk in chunks) == whole["content"]
    assert last["stop"] is True
    assert last["content"] == ""
    assert set(last) == set(whole)


def test_several_prompts(served: Served) -> None:
    """A list of prompts is answered with a list; a list with tokens in it is one prompt."""
    tokens = served.post("/tokenize", {"content": PROMPT}).json["tokens"]
    alone = completed(served)["content"]
    answers = served.post("/completion", {**BODY, "prompt": [PROMPT, tokens, [*tokens[:2], " capital"]]}).json
    assert [answer["index"] for answer in answers] == [0, 1, 2]
    assert [answer["content"] for answer in answers[:2]] == [alone, alone]
    assert completed(served, prompt=tokens)["content"] == alone
    assert completed(served, prompt=[PROMPT])["content"] == alone
    mixed = [*tokens[:-1], served.post("/detokenize", {"tokens": tokens[-1:]}).json["content"]]
    assert completed(served, prompt=mixed)["content"] == alone
    chunks = served.post("/completion", {**BODY, "prompt": [PROMPT, tokens], "stream": True}).chunks
    for index in (0, 1):
        assert "".join(chunk["content"] for chunk in chunks if chunk["index"] == index) == alone


def test_probabilities_and_tokens(served: Served) -> None:
    """n_probs tells the likeliest tokens, return_tokens the numbers of those that came, streamed or not."""
    value = completed(served, n_probs=2, return_tokens=True)
    assert served.post("/detokenize", {"tokens": value["tokens"]}).json["content"] == value["content"]
    told = value["completion_probabilities"]
    assert [entry["id"] for entry in told] == value["tokens"]
    for entry in told:
        assert len(entry["top_logprobs"]) == 2
        assert entry["logprob"] == entry["top_logprobs"][0]["logprob"] <= 0
        assert bytes(entry["bytes"]).decode() == entry["token"]
    chunks = served.post("/completion", {**BODY, "n_probs": 2, "return_tokens": True, "stream": True}).chunks
    assert [token for chunk in chunks for token in chunk["tokens"]] == value["tokens"]
    streamed = [entry for chunk in chunks for entry in chunk.get("completion_probabilities", [])]
    assert [entry["id"] for entry in streamed] == value["tokens"]


def test_bound(served: Served) -> None:
    """A grammar and a schema bind the answer."""
    assert completed(served, grammar='root ::= " Rome" | " Oslo"', n_predict=9)["content"] in {" Rome", " Oslo"}
    schema = {"type": "object", "properties": {"n": {"enum": [3]}}, "required": ["n"], "additionalProperties": False}
    assert json.loads(completed(served, json_schema=schema, n_predict=30)["content"]) == {"n": 3}


def test_what_clients_send(served: Served) -> None:
    """llama-server's other fields are taken or passed over; n_predict 0 reads the prompt and says nothing."""
    fields = {
        "cache_prompt": True,
        "id_slot": 0,
        "n_keep": 0,
        "timings_per_token": True,
        "t_max_predict_ms": 1000,
        "samplers": ["top_k", "temperature"],
        "logit_bias": [[5, 1.5], [6, False]],
        "dynatemp_range": 0.2,
        "repeat_last_n": -1,
        "mirostat": 0,
        "typical_p": 1.0,
        "max_tokens": 3,
        "stream": None,
    }
    assert completed(served, **fields)["tokens_predicted"] <= 3
    empty = completed(served, n_predict=0)
    assert (empty["content"], empty["tokens_predicted"]) == ("", 0)


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("/completion", {}, "prompt"),
        ("/completion", {"prompt": {"prompt_string": "a", "multimodal_data": ["x"]}}, "prompt"),
        ("/completion", {"prompt": [1, ["a"]]}, "prompt"),
        ("/completion", {"prompt": [10**7]}, "prompt"),
        ("/completion", {"prompt": ["a"] * 65}, "prompt"),
        ("/completion", {"prompt": "lamp " * 3000}, "prompt"),
        ("/completion", {"prompt": "a", "n_predict": -2}, "n_predict"),
        ("/completion", {"prompt": "a", "temperature": -1}, "temperature"),
        ("/completion", {"prompt": "a", "logit_bias": [5]}, "logit_bias"),
        ("/completion", {"prompt": "a", "logit_bias": [[[5], 1]]}, "logit_bias"),
        ("/completion", {"prompt": "a", "logit_bias": [[" a", "b"]]}, "logit_bias"),
        ("/completion", {"prompt": "a", "logit_bias": {"10000000": 1}}, "logit_bias"),
        ("/completion", {"prompt": [1, {"prompt_string": "a"}]}, "prompt[1]"),
        ("/completion", {"prompt": {}}, "prompt"),
        ("/infill", {"input_suffix": "a"}, "input_prefix"),
        (
            "/infill",
            {"input_prefix": "a", "input_suffix": "b", "input_extra": [{"filename": "c"}]},
            "input_extra[0].text",
        ),
        ("/chat/completions/input_tokens", {"messages": []}, "messages"),
        ("/completion", {"prompt": "a", "grammar": 'root ::= "a"', "json_schema": {}}, "grammar"),
        ("/completion", {"prompt": "a", "grammar": 'root ::= "'}, ""),
        ("/tokenize", {}, "content"),
        ("/tokenize", {"content": 5}, "content"),
        ("/tokenize", {"content": [10**7]}, "content"),
        ("/detokenize", {"tokens": [-1]}, "tokens"),
        ("/detokenize", {"tokens": "x"}, "tokens"),
        ("/apply-template", {"messages": []}, "messages"),
        ("/embedding", {"content": ""}, "content"),
        ("/embedding", {"content": "a", "embd_normalize": -2}, "embd_normalize"),
    ],
)
def test_wrong_requests(served: Served, path: str, fields: dict[str, Any], param: str) -> None:
    """What cannot be done is a 400 with an object that names the field."""
    answer = served.post(path, fields)
    assert answer.status == 400, answer.body
    error = answer.json["error"]
    assert error["code"] in {400, "context_length_exceeded"}
    assert (error["param"] or "").startswith(param)


def test_props(served: Served) -> None:
    """The model's template, context and defaults are told, and how many requests there is room for."""
    value = served.get("/props").json
    assert value["default_generation_settings"]["n_ctx"] == 2048
    assert value["default_generation_settings"]["params"]["top_k"] == 40
    assert value["total_slots"] == 4
    assert "<|im_start|>" in value["chat_template"]
    assert value["model_path"].endswith(".gguf")
    assert value["is_sleeping"] is False
    assert value["eos_token"] == "<|im_end|>"


def test_slots(data_dir: Path) -> None:
    """Places are told by whether they are taken; with fail_on_no_slot a full server is a 503."""
    with Served(data_dir, places=2) as served:
        served.wait_until("ok")
        assert [slot["is_processing"] for slot in served.get("/slots").json] == [False, False]
        connections = [served.connect() for _ in range(2)]
        body = {"prompt": "Once", "n_predict": 1500, "ignore_eos": True, "stream": True}
        responses = []
        for connection in connections:
            connection.request("POST", "/completion", json.dumps(body).encode())
            responses.append(connection.getresponse())
            assert responses[-1].read(20)
        assert [slot["is_processing"] for slot in served.get("/slots").json] == [True, True]
        answer = served.get("/slots?fail_on_no_slot=1")
        assert answer.status == 503
        assert "Retry-After" in answer.headers
        for connection in connections:
            connection.close()


def test_looking_at_what_sleeps_and_what_is_gone(data_dir: Path) -> None:
    """Props and slots wake nobody: a model that sleeps says so, and one that is unloaded is a 503."""
    with Served(data_dir, idle_unload=0.02) as served:
        served.wait_until("unloaded", seconds=20)
        value = served.get("/props").json
        assert value["is_sleeping"] is True
        assert len(served.get("/slots").json) == 4
        assert served.get("/health").json["status"] == "unloaded"
        assert served.post("/completion", BODY).status == 200
        assert served.post("/v1/internal/model/unload").status == 200
        assert served.get("/props").status == 503
