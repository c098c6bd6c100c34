"""What text-generation-webui takes beside OpenAI's fields, and its routes for prompts and probabilities."""

import dataclasses
import math
from typing import Any

import pytest

from home_llm.api.webui_request import WebuiChatBody, WebuiCompletionBody
from home_llm.llama import SamplingParameters
from served import Served

HELLO = [{"role": "user", "content": "Say hello."}]
TALK = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Say hello."},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "And bye?"},
]


def prompt(served: Served, **fields: Any) -> str:
    """Return the prompt that a chat request becomes."""
    answer = served.post("/v1/internal/chat-prompt", {"messages": TALK, **fields})
    assert answer.status == 200, answer.body
    text: str = answer.json["prompt"]
    return text


def say(served: Served, **fields: Any) -> dict[str, Any]:
    """Return the choice of a chat completion."""
    answer = served.post("/v1/chat/completions", {"messages": HELLO, "max_tokens": 12, "temperature": 0, **fields})
    assert answer.status == 200, answer.body
    choice: dict[str, Any] = answer.json["choices"][0]
    return choice


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "instruct"},
        {"mode": "chat"},
        {"mode": "chat-instruct", "character": "Assistant", "greeting": "Hi!", "name1": "You", "name2": "AI"},
        {"mode": "chat", "character": "Somebody unknown"},
        {"mode": "instruct", "instruction_template": "None"},
        {"mode": "instruct", "instruction_template": "auto", "context": "You are a pirate."},
        {"instruction_template": "some template of 2023"},
        {"mode": None, "instruction_template": None, "instruction_template_str": None, "chat_template_str": ""},
    ],
)
def test_the_models_own_template(served: Served, fields: dict[str, Any]) -> None:
    """Modes, unknown characters and unknown templates change nothing: it is the model's own template."""
    assert prompt(served, **fields) == prompt(served)
    assert "<|im_start|>user\nAnd bye?<|im_end|>" in prompt(served)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "ChatML",
            (
                "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nSay hello.<|im_end|>\n"
                "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nAnd bye?<|im_end|>\n<|im_start|>assistant\n"
            ),
        ),
        (
            "Alpaca",
            (
                "Be short.\n\n### Instruction:\nSay hello.\n\n### Response:\nHello.\n\n"
                "### Instruction:\nAnd bye?\n\n### Response:\n"
            ),
        ),
        ("vicuna", "Be short.\n\nUSER: Say hello.\nASSISTANT: Hello.<|im_end|>\nUSER: And bye?\nASSISTANT:"),
        ("Mistral", "[INST] Be short.\n\nSay hello. [/INST] Hello.<|im_end|>[INST] And bye? [/INST]"),
        (
            "zephyr",
            (
                "<|system|>\nBe short.<|im_end|>\n<|user|>\nSay hello.<|im_end|>\n<|assistant|>\nHello.<|im_end|>\n"
                "<|user|>\nAnd bye?<|im_end|>\n<|assistant|>\n"
            ),
        ),
        (
            "Llama-v3",
            (
                "<|start_header_id|>system<|end_header_id|>\n\nBe short.<|eot_id|>"
                "<|start_header_id|>user<|end_header_id|>\n\nSay hello.<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
                "<|start_header_id|>user<|end_header_id|>\n\nAnd bye?<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\n"
            ),
        ),
        (
            "Gemma",
            (
                "<start_of_turn>user\nBe short.\n\nSay hello.<end_of_turn>\n"
                "<start_of_turn>model\nHello.<end_of_turn>\n"
                "<start_of_turn>user\nAnd bye?<end_of_turn>\n<start_of_turn>model\n"
            ),
        ),
        (
            "Command-R",
            (
                "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be short.<|END_OF_TURN_TOKEN|>"
                "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Say hello.<|END_OF_TURN_TOKEN|>"
                "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Hello.<|END_OF_TURN_TOKEN|>"
                "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>And bye?<|END_OF_TURN_TOKEN|>"
                "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
            ),
        ),
        (
            "Phi-3",
            (
                "<|system|>\nBe short.<|end|>\n<|user|>\nSay hello.<|end|>\n<|assistant|>\nHello.<|end|>\n"
                "<|user|>\nAnd bye?<|end|>\n<|assistant|>\n"
            ),
        ),
    ],
)
def test_named_templates(served: Served, name: str, expected: str) -> None:
    """Instruction templates that clients name are the families' own."""
    assert prompt(served, instruction_template=name) == expected
    assert prompt(served, instruction_template=name, mode="chat") == expected


def test_messages_in_place_of_a_prompt(served: Served) -> None:
    """A completion of messages is one of the prompt that they become; without either it is a 400."""
    text = prompt(served)
    body = {"max_tokens": 5, "temperature": 0, "echo": True}
    spoken = served.post("/v1/completions", {**body, "messages": TALK}).json["choices"][0]["text"]
    assert spoken.startswith(text)
    assert spoken == served.post("/v1/completions", {**body, "prompt": text}).json["choices"][0]["text"]
    wrongs: list[dict[str, Any]] = [{}, {"messages": []}, {"messages": [{"role": "nobody", "content": "hi"}]}]
    for wrong in wrongs:
        assert served.post("/v1/completions", wrong).status == 400


def test_own_templates(served: Served) -> None:
    """A template in the request takes the place of the model's; one that is no Jinja is a 400."""
    source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    expected = "<system>Be short.<user>Say hello.<assistant>Hello.<user>And bye?"
    assert prompt(served, instruction_template_str=source, instruction_template="Alpaca") == expected
    for broken in ("{% for %}", "{{ raise_exception('never') }}"):
        answer = served.post("/v1/chat/completions", {"messages": HELLO, "instruction_template_str": broken})
        assert answer.status == 400
        assert "template" in answer.json["error"]["message"]


def test_characters(served: Served) -> None:
    """A context describes a character; with a transcript's template names take the place of roles."""
    context = "{{char}} is the house of {{user}}. <BOT> likes <USER>."
    described = prompt(served, mode="chat", context=context, name1="Ada", name2="Hal")
    assert "<|im_start|>system\nHal is the house of Ada. Hal likes Ada.\n\nBe short.<|im_end|>" in described
    source = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}\n"
        "{% elif m.role == 'user' %}{{ name1 }}: {{ m.content }}\n{% else %}{{ name2 }}: {{ m.content }}\n{% endif %}"
        "{% endfor %}"
    )
    fields = {"mode": "chat", "chat_template_str": source, "user_name": "Ada", "bot_name": "Hal"}
    written = prompt(served, **fields)
    assert written == "Be short.\nAda: Say hello.\nHal: Hello.\nAda: And bye?\nHal:"
    request = WebuiChatBody.model_validate({"messages": TALK, **fields, "stop": "."}).request()
    assert request.limits.stop == (".", "\nAda:", "\nHal:")
    assert say(served, **fields)["message"]["content"]


def test_continuing(served: Served) -> None:
    """A last message of the assistant is gone on with, and told from its beginning; others begin an answer."""
    begun = [*HELLO, {"role": "assistant", "content": "The capital of France is"}]
    written = prompt(served, messages=begun, continue_=True)
    assert written.endswith("<|im_start|>assistant\nThe capital of France is")
    text = say(served, messages=begun, continue_=True)["message"]["content"]
    assert text.startswith("The capital of France is Paris")
    chunks = served.post(
        "/v1/chat/completions",
        {"messages": begun, "continue_": True, "stream": True, "max_tokens": 12, "temperature": 0},
    ).chunks
    assert chunks[1]["choices"][0]["delta"] == {"content": "The capital of France is"}
    told = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert told.startswith("The capital of France is Paris")
    assert prompt(served, continue_=True) == prompt(served)
    assert say(served, continue_=True)["message"]["content"]


def test_old_clients_find_the_text(served: Served) -> None:
    """The text of a chat answer stands where clients of 2023 look for it, also beside calls and thoughts."""
    choice = say(served)
    assert choice["text"] == choice["message"]["content"] != ""


def test_truncation(served: Served) -> None:
    """With a truncation length the oldest turns go, and system and last words stay; a text loses its beginning."""
    turns = [
        {"role": role, "content": f"{role} {n} " + "word " * 100} for n in range(8) for role in ("user", "assistant")
    ]
    messages = [{"role": "system", "content": "Be short."}, *turns, {"role": "user", "content": "And bye?"}]
    answer = served.post(
        "/v1/chat/completions",
        {"messages": [*messages, *messages[1:]], "truncation_length": 400, "max_tokens": 20, "temperature": 0},
    )
    assert 150 < answer.json["usage"]["prompt_tokens"] <= 380
    refused = served.post("/v1/chat/completions", {"messages": [*messages, *messages[1:]], "max_tokens": 20})
    assert refused.status == 400
    text = {"prompt": "word " * 3000, "max_tokens": 20, "temperature": 0}
    assert served.post("/v1/completions", text).status == 400
    assert served.post("/v1/completions", {**text, "truncation_length": 100}).json["usage"]["prompt_tokens"] == 80


def test_length(served: Served) -> None:
    """auto_max_new_tokens lets an answer be as long as the context has room for."""
    fields = {"max_tokens": 3, "auto_max_new_tokens": True, "stop": ["\n\n\n"], "truncation_length": 0}
    assert (
        served.post("/v1/chat/completions", {"messages": HELLO, "temperature": 0, **fields}).json["usage"][
            "completion_tokens"
        ]
        > 3
    )


def test_special_tokens(served: Served) -> None:
    """Special tokens of an answer are left out of the text unless they are asked for; so in completions."""
    body = {"prompt": "Hi", "max_tokens": 3, "temperature": 0, "logit_bias": {"1": 100}, "grammar_string": None}
    assert served.post("/v1/completions", body).json["choices"][0]["text"] == ""
    shown = served.post("/v1/completions", {**body, "skip_special_tokens": False}).json["choices"][0]["text"]
    assert shown == "<|im_start|>" * 3
    assert say(served, skip_special_tokens=False)["message"]["content"]


def test_bos(served: Served) -> None:
    """This model wants no BOS token; a text is read the same with and without add_bos_token."""
    body = {"prompt": "The capital of France is", "max_tokens": 4, "temperature": 0}
    for fields in ({}, {"add_bos_token": True}, {"add_bos_token": False}):
        answer = served.post("/v1/completions", {**body, **fields}).json
        assert answer["choices"][0]["text"].startswith(" Paris")
        assert answer["usage"]["prompt_tokens"] == 5
    with_it, without = (
        WebuiCompletionBody.model_validate({**body, "add_bos_token": wish}).requests()[0] for wish in (True, False)
    )
    assert (with_it.add_bos, without.add_bos) == (True, False)


def test_presets(served: Served) -> None:
    """Known presets set the samplers, whatever else is asked for; unknown ones change nothing."""

    def sampling(**fields: Any) -> SamplingParameters:
        body = {"messages": HELLO, "temperature": 5.0, "top_p": 1.0, "top_k": 0, "seed": 3, **fields}
        both = (
            WebuiChatBody.model_validate(body).request().sampling,
            WebuiCompletionBody.model_validate({**body, "prompt": "x"}).requests()[0].sampling,
        )
        assert both[0] == both[1]
        return both[0]

    assert sampling(preset="Deterministic").temperature == 0
    precise = sampling(preset="LLaMA-Precise")
    assert (precise.temperature, precise.top_p, precise.top_k, precise.repeat_penalty) == (0.7, 0.1, 40, 1.18)
    for name in ("None", "", "never heard of", "Null preset"):
        assert sampling(preset=name) == sampling()
        assert say(served, preset=name)["text"]


def test_options_without_a_meaning_here(served: Served) -> None:
    """The whole table of generation options is taken; off is written in several ways."""
    fields = {
        "smoothing_factor": 0, "smoothing_curve": 1, "epsilon_cutoff": 0, "eta_cutoff": 0, "tfs": 1, "top_a": 0,
        "encoder_repetition_penalty": 1, "no_repeat_ngram_size": 0, "penalty_alpha": 0, "guidance_scale": 1,
        "negative_prompt": "", "do_sample": True, "prompt_lookup_num_tokens": 0, "static_cache": False,
        "max_tokens_second": 0, "min_length": 0, "num_beams": 1, "length_penalty": 1, "early_stopping": False,
        "top_n_sigma": -1, "adaptive_target": -1, "adaptive_decay": 0.9, "top_k": -1, "repetition_penalty_range": 0,
        "seed": -1, "custom_token_bans": "", "grammar_string": "", "sampler_priority": None, "temperature_last": False,
        "dry_sequence_breakers": '"\\n", ":", "\\"", "*"', "preserve_thinking": False, "reasoning_effort": "medium",
        "enable_thinking": True, "add_bos_token": True, "chat_instruct_command": "<|prompt|>", "best_of": 1,
    }  # fmt: skip
    assert say(served, **fields)["text"]
    plain = {"messages": HELLO, "chat_template_kwargs": {"reasoning_effort": "medium", "enable_thinking": True}}
    given, expected = (WebuiChatBody.model_validate(body).request() for body in ({"messages": HELLO, **fields}, plain))
    expected.template_arguments["preserve_thinking"] = False
    assert dataclasses.replace(given, sampling=expected.sampling) == expected
    assert (given.sampling.top_k, given.sampling.adaptive_target, given.sampling.seed) == (0, 0, None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mode": "dance"}, "mode"),
        ({"truncation_length": -1}, "truncation_length"),
        ({"continue_": "perhaps"}, "continue_"),
        ({"custom_token_bans": "a,b"}, "custom_token_bans"),
        ({"grammar_string": "root ::= ("}, "gbnf"),
    ],
)
def test_wrong_fields(served: Served, fields: dict[str, Any], words: str) -> None:
    """Fields that cannot be used are a 400 that names them."""
    answer = served.post("/v1/chat/completions", {"messages": HELLO, **fields})
    assert answer.status == 400
    assert words in answer.json["error"]["message"]


def test_logits(served: Served) -> None:
    """The probabilities of what may come next are told, the likeliest first, in one flat object."""
    answer = served.post("/v1/internal/logits", {"prompt": "The capital of France is"})
    table = answer.json
    assert len(table) == 50
    numbers = list(table.values())
    assert numbers == sorted(numbers, reverse=True)
    assert next(iter(table)) == " Paris"
    assert sum(numbers) <= 1.0001
    few = served.post("/v1/internal/logits", {"prompt": "The capital of France is", "top_logits": 2}).json
    assert list(few) == list(table)[:2]
    choice = {"prompt": "The capital of France is", "max_tokens": 1, "logprobs": 1, "temperature": 0}
    logprobs = served.post("/v1/completions", choice).json["choices"][0]["logprobs"]
    assert math.isclose(math.exp(logprobs["token_logprobs"][0]), numbers[0], rel_tol=1e-3)


def test_logits_of_odd_tokens(served: Served) -> None:
    """Line ends are escaped, parts of characters written as bytes, and the end is one of what may come."""
    table = served.post("/v1/internal/logits", {"prompt": "Dear Sir,", "top_logits": 200}).json
    assert "\\n" in table
    assert not any("\n" in key for key in table)
    emoji = served.post("/v1/internal/logits", {"prompt": "🍎🍎🍎", "top_logits": 10}).json
    assert any(key.startswith("\\x") for key in emoji)
    whole = served.post("/v1/internal/logits", {"prompt": "<|im_start|>user\nhi<|im_end|>", "top_logits": 100}).json
    assert whole
    sampled = served.post("/v1/internal/logits", {"prompt": "x", "use_samplers": True})
    assert sampled.status == 400
    assert "use_samplers" in sampled.json["detail"]
