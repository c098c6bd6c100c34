"""What llama-server's clients send beside the fields of every dialect, and its routes without `/v1`."""

from pathlib import Path
from typing import Any

import pytest

from home_llm.llama import Model
from served import Served
from tiny_models import write_tiny_model

PROMPT = "The capital of France is"
BODY: dict[str, Any] = {"prompt": PROMPT, "n_predict": 2, "temperature": 0}
HELLO = [{"role": "user", "content": "Good morning"}]
CHAT: dict[str, Any] = {"messages": HELLO, "max_tokens": 3, "temperature": 0}
THINKS = "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<think>\n{% endif %}"


def completed(served: Served, **fields: Any) -> dict[str, Any]:
    """Return an answer to the native route."""
    answer = served.post("/completion", {**BODY, **fields})
    assert answer.status == 200, answer.body
    value: dict[str, Any] = answer.json
    return value


def prompt_of(served: Served, path: str = "/apply-template", **fields: Any) -> str:
    """Return what the model reads of a chat."""
    answer = served.post(path, {"messages": HELLO, **fields})
    assert answer.status == 200, answer.body
    prompt: str = answer.json["prompt"]
    return prompt


def test_routes_without_a_version(served: Served) -> None:
    """Clients whose address lacks `/v1` are answered as others are."""
    with_version, without = (served.post(f"{before}/chat/completions", CHAT).json for before in ("/v1", ""))
    assert with_version["choices"] == without["choices"]
    assert served.get("/models").json == served.get("/v1/models").json
    response = served.post("/responses", {"input": "Good morning", "max_output_tokens": 3, "temperature": 0}).json
    assert response["object"] == "response"


def test_a_last_message_of_the_assistants(served: Served) -> None:
    """On llama-server's own routes it is gone on with, unless the request says what it is; with OpenAI it is over."""
    begun = [*HELLO, {"role": "assistant", "content": "Good mor"}]
    assert prompt_of(served, messages=begun).endswith("Good mor")
    assert not prompt_of(served, messages=begun, add_generation_prompt=True).endswith("Good mor")
    for path, goes_on in (("/chat/completions", True), ("/v1/chat/completions", False)):
        answer = served.post(path, {"messages": begun, "max_tokens": 2, "verbose": True}).json
        assert answer["__verbose"]["prompt"].endswith("Good mor") is goes_on
    twice = served.post("/chat/completions", {"messages": [*begun, begun[-1]]})
    assert twice.status == 400
    assert "two messages" in twice.json["error"]["message"]
    called = {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": "{}"}}]}
    assert served.post("/chat/completions", {"messages": [*HELLO, called, begun[-1]], "max_tokens": 2}).status == 200


@pytest.mark.parametrize("fields", [{"top_k": 3}, {"top_k": 0, "top_p": 0.5}, {"grammar": 'root ::= "yes" | "no"'}])
def test_probabilities_after_the_samplers(served: Served, fields: dict[str, Any]) -> None:
    """They are of what could be drawn and of nothing else, so that they sum up to one."""
    body = {"n_predict": 4, "temperature": 0.7, "min_p": 0, "n_probs": 100, "post_sampling_probs": True, **fields}
    told = completed(served, **body)["completion_probabilities"]
    assert told
    for token in told:
        top = token["top_probs"]
        assert [other["prob"] for other in top] == sorted((other["prob"] for other in top), reverse=True)
        assert all(0 < other["prob"] <= 1 for other in top)
        assert token["prob"] == pytest.approx(next(each["prob"] for each in top if each["id"] == token["id"]))
        if fields.get("top_k"):
            assert len(top) <= 3
        if len(top) < 100:
            assert sum(other["prob"] for other in top) == pytest.approx(1, abs=1e-3)
    assert bytes(told[0]["bytes"]).decode() == told[0]["token"]
    warm, hot = (
        completed(served, **{**body, "temperature": value, "seed": 1})["completion_probabilities"][0]["top_probs"]
        for value in (0.3, 3)
    )
    assert warm[0]["id"] == hot[0]["id"]
    assert len(warm) == 1 or warm[0]["prob"] > hot[0]["prob"]


def test_counting(served: Served) -> None:
    """The tokens of a prompt are counted before they cost anything, as they are then used."""
    used = served.post("/v1/chat/completions", CHAT).json["usage"]["prompt_tokens"]
    for path in ("/v1/chat/completions/input_tokens", "/chat/completions/input_tokens"):
        assert served.post(path, {"messages": HELLO}).json == {"object": "response.input_tokens", "input_tokens": used}
    for path in ("/v1/responses/input_tokens", "/responses/input_tokens"):
        assert served.post(path, {"input": "Good morning"}).json["input_tokens"] == used


def test_the_end_of_a_stream(served: Served) -> None:
    """The chunk with the usage has the timings too, whose rates are those of their milliseconds."""
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    *_, finish, last = served.post("/v1/chat/completions", body).chunks
    assert last["choices"] == []
    timings = last["timings"]
    assert finish["timings"] == timings
    assert timings["predicted_n"] == 3
    assert timings["predicted_per_second"] == pytest.approx(2000 / timings["predicted_ms"], rel=1e-12)
    assert timings["prompt_per_token_ms"] == pytest.approx(timings["prompt_ms"] / timings["prompt_n"], rel=1e-12)


def test_prompts_in_objects(served: Served) -> None:
    """A prompt may stand in an object, alone and beside others."""
    alone = completed(served)["content"]
    assert completed(served, prompt={"prompt_string": PROMPT})["content"] == alone
    answers = served.post("/completion", {**BODY, "prompt": [PROMPT, {"prompt_string": PROMPT}]}).json
    assert [answer["content"] for answer in answers] == [alone, alone]


def test_biases_of_texts(served: Served) -> None:
    """A bias may name a text; it is that of each of its tokens, in pairs and in an object."""
    likely = completed(served, n_predict=1)["content"]
    for bias in ([[likely, -100]], [[likely, False]], {likely: -100}):
        assert completed(served, n_predict=1, logit_bias=bias)["content"] != likely
    (token,) = served.post("/tokenize", {"content": likely}).json["tokens"]
    for bias in ([[token, False]], {str(token): -100}):
        value = completed(served, n_predict=1, logit_bias=bias)
        assert value["content"] != likely
        assert value["generation_settings"]["logit_bias"] == [{"token": token, "bias": -100}]


def test_ends_that_never_come(served: Served) -> None:
    """With ignore_eos every end has the bias of minus infinity, which JSON writes as null."""
    assert completed(served)["generation_settings"]["logit_bias"] == []
    settings = completed(served, ignore_eos=True)["generation_settings"]
    assert settings["logit_bias"]
    assert all(entry["bias"] is None for entry in settings["logit_bias"])
    assert {"adaptive_target", "adaptive_decay"} <= set(settings)


def test_chosen_fields(served: Served) -> None:
    """response_fields leaves those fields, by their paths; what is not there is left out."""
    wanted = ["content", "generation_settings/n_predict", "nothing", "content/nothing"]
    value = completed(served, response_fields=wanted)
    assert value == {"content": completed(served)["content"], "generation_settings/n_predict": 2}
    *_, last = served.post("/completion", {**BODY, "stream": True, "response_fields": ["stop"]}).chunks
    assert last == {"stop": True}


def test_the_prompt_is_told_when_asked_for(served: Served) -> None:
    """With verbose an answer tells what the model read."""
    answer = served.post("/v1/chat/completions", {**CHAT, "verbose": True}).json
    assert answer["__verbose"]["prompt"] == prompt_of(served)
    assert "__verbose" not in served.post("/v1/chat/completions", CHAT).json


def test_no_new_message(served: Served) -> None:
    """Without a generation prompt, the prompt ends with the last message."""
    assert prompt_of(served) == prompt_of(served, add_generation_prompt=False) + "<|im_start|>assistant\n"


def test_going_on_with_a_message(served: Served) -> None:
    """continue_final_message goes on with what the assistant has begun, and tells what is new."""
    begun = [*HELLO, {"role": "assistant", "content": "Good morning to"}]
    fields: dict[str, Any] = {"messages": begun, "continue_final_message": True, "add_generation_prompt": False}
    assert prompt_of(served, **fields).endswith("<|im_start|>assistant\nGood morning to")
    answer = served.post("/v1/chat/completions", {**CHAT, **fields}).json["choices"][0]["message"]["content"]
    assert answer
    assert not answer.startswith("Good morning to")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"add_generation_prompt": True}, "continue_final_message"),
        ({"messages": HELLO}, "messages"),
        (
            {
                "messages": [
                    *HELLO,
                    {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
                ]
            },
            "messages",
        ),
    ],
)
def test_what_cannot_be_gone_on_with(served: Served, fields: dict[str, Any], param: str) -> None:
    """Going on with the user, or with a call, or beginning another message too, is an error."""
    begun = [*HELLO, {"role": "assistant", "content": "Good"}]
    answer = served.post("/v1/chat/completions", {"messages": begun, "continue_final_message": True, **fields})
    assert answer.status == 400, answer.body
    assert answer.json["error"]["param"] == param


def test_no_thoughts(served: Served) -> None:
    """Where a template always has its model think, thoughts that are not wanted end where they begin."""
    begun = [*HELLO, {"role": "assistant", "content": "Hello"}]
    for more, thinking, expected in (
        ({}, None, "<think>\n"),
        ({}, False, "<think>\n</think>"),
        ({"messages": begun, "continue_final_message": True}, None, "<think>\n</think>\n\nHello"),
        ({"messages": begun, "continue_final_message": True}, False, "<think>\n</think>\n\nHello"),
    ):
        fields: dict[str, Any] = {**more, "instruction_template_str": THINKS, "enable_thinking": thinking}
        assert prompt_of(served, "/v1/internal/chat-prompt", **fields) == f"Good morning{expected}"


def test_the_wrong_model_for_filling_in(served: Served) -> None:
    """A model without tokens for filling in says so."""
    answer = served.post("/infill", {"input_prefix": "def f(", "input_suffix": "): pass"})
    assert answer.status == 400
    assert "not trained to fill in" in answer.json["error"]["message"]


@pytest.mark.parametrize("files", [False, True])
def test_filling_in(data_dir: Path, model: Model, tmp_path: Path, files: bool) -> None:
    """The prompt is what is before the gap and after it, with other files before; what is next to the gap stays."""
    tokens = {"fim_pre_token_id": 3, "fim_suf_token_id": 4, "fim_mid_token_id": 5, "fim_rep_token_id": 6}
    if files:
        tokens |= {"fim_sep_token_id": 7}
    path = write_tiny_model(tmp_path / "code.gguf", "full", model, **tokens)
    with Served(data_dir, model=str(path), context_size=256) as served:
        served.wait_until("ok")
        pre, suf, mid, rep, sep = (served.post("/detokenize", {"tokens": [n]}).json["content"] for n in range(3, 8))
        body: dict[str, Any] = {"input_prefix": "a", "input_suffix": "b", "prompt": "c", "n_predict": 1}
        extra = [{"filename": "x", "text": "d"}]
        before = f"{rep}repository\n{sep}file\n" if files else f"{rep}repository\n"
        assert served.post("/infill", body).json["prompt"] == f"{before}{pre}ac{suf}b{mid}"
        before = f"{rep}repository\n{sep}x\nd{sep}file\n" if files else f"{rep}repository\nd\n\n"
        whole = served.post("/infill", {**body, "input_extra": extra}).json
        assert whole["prompt"] == f"{before}{pre}ac{suf}b{mid}"
        long = {"input_prefix": "a " * 300 + "A", "input_suffix": "B" + " b" * 300, "input_extra": extra}
        answer = served.post("/infill", {**body, **long}).json
        assert f"Ac{suf}B b" in answer["prompt"]
        assert answer["tokens_evaluated"] + 1 <= 256
        chunks = served.post("/infill", {**body, "stream": True}).chunks
        assert chunks[-1]["stop"] is True
