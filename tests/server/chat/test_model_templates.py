"""The chat templates of real models, from llama.cpp's sources: they render, and what they show of calls is read."""

import functools
import itertools
from pathlib import Path

import pytest

from home_llm.chat.markups import MARKUPS, own_markup
from home_llm.chat.prompt import render_prompt
from home_llm.chat.template import ChatTemplate
from home_llm.chat.vocabulary import ChatRequest, Message, ToolCall
from llama_cpp_sources import llama_cpp_models
from markup_texts import LIGHT, TOOLS, calls_of

# Every template there, and the markup that it shows calls in; None where that is not known here.
SHOWN: dict[str, str | None] = {
    "Apertus-8B-Instruct": None,
    "Apriel-1.6-15b-Thinker-fixed": None,
    "Bielik-11B-v3.0-Instruct": "hermes",
    "ByteDance-Seed-OSS": None,
    "Cohere2MoE": None,
    "CohereForAI-c4ai-command-r-plus-tool_use": None,
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": None,
    "GLM-4.6": None,
    "GLM-4.7-Flash": None,
    "GigaChat3-10B-A1.8B": None,
    "GigaChat3.1-10B-A1.8B": None,
    "HuggingFaceTB-SmolLM3-3B": None,
    "Kimi-K2-Instruct": None,
    "Kimi-K2-Thinking": None,
    "Kimi-K3": None,
    "LFM2-8B-A1B": "lfm2",
    "LFM2.5-8B-A1B": "lfm2",
    "LFM2.5-Instruct": "lfm2",
    "MiMo-VL": "hermes",
    "MiniMax-M1": None,
    "MiniMax-M2": None,
    "MiniMax-M3": None,
    "Mistral-Small-3.2-24B-Instruct-2506": "mistral-args",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": "qwen-coder",
    "NVIDIA-Nemotron-Nano-v2": None,
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": "hermes",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": "hermes",
    "Qwen-QwQ-32B": "hermes",
    "Qwen-Qwen2.5-7B-Instruct": "hermes",
    "Qwen-Qwen3-0.6B": "hermes",
    "Qwen3-Coder": "qwen-coder",
    "Qwen3.5-4B": "qwen-coder",
    "Reka-Edge": "hermes",
    "Spark2.5": None,
    "StepFun3.5-Flash": "qwen-coder",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": None,
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": None,
    "deepseek-ai-DeepSeek-V3.1": None,
    "deepseek-ai-DeepSeek-V3.2": None,
    "deepseek-ai-DeepSeek-V4": None,
    "deepseek-ai-DeepSeek-V4-Flash-0731": None,
    "fireworks-ai-llama-3-firefunction-v2": None,
    "google-gemma-2-2b-it": None,
    "google-gemma-4-31B-it": "gemma4",
    "google-gemma-4-31B-it-interleaved": "gemma4",
    "ibm-granite-granite-3.3-2B-Instruct": "granite",
    "ibm-granite-granite-4.0": "hermes",
    "ibm-granite-granite-4.1": "hermes",
    "inclusionai-ling-3.0-flash": None,
    "llama-cpp-deepseek-r1": None,
    "llama-cpp-rwkv-world": None,
    "meetkai-functionary-medium-v3.1": None,
    "meetkai-functionary-medium-v3.2": None,
    "meta-llama-Llama-3.1-8B-Instruct": "llama3",
    "meta-llama-Llama-3.2-3B-Instruct": "llama3",
    "meta-llama-Llama-3.3-70B-Instruct": "llama3",
    "microsoft-Phi-3.5-mini-instruct": None,
    "mistralai-Ministral-3-14B-Reasoning-2512": "mistral-args",
    "mistralai-Mistral-Nemo-Instruct-2407": "mistral",
    "moonshotai-Kimi-K2": None,
    "muse-glimmer": None,
    "openai-gpt-oss-120b": "gpt-oss",
    "openbmb-MiniCPM5-1B": None,
    "poolside-Laguna-S-2.1": None,
    "poolside-Laguna-XS-2.1": None,
    "poolside-Laguna-XS.2": None,
    "tencent-Hy3": None,
    "unsloth-Apriel-1.5": None,
    "unsloth-mistral-Devstral-Small-2507": "mistral-args",
    "upstage-Solar-Open-100B": None,
}
# How thoughts end, where it is not `</think>`.
THOUGHTS = {
    "google-gemma-4-31B-it": "<channel|>",
    "google-gemma-4-31B-it-interleaved": "<channel|>",
    "mistralai-Ministral-3-14B-Reasoning-2512": "[/THINK]",
    "openai-gpt-oss-120b": "<|end|>",
}

# Templates that show the system prompt with the last message, and only if the user speaks there.
SYSTEM_LAST = {"mistralai-Mistral-Nemo-Instruct-2407"}

SYSTEM = Message("system", "You look after a house.")
ASKED = Message("user", "Lights in the kitchen, please.")
KITCHEN = ToolCall(LIGHT.name, {"room": "Kitchen", "brightness": 40, "words": "so be it"}, "call_a")
HALL = ToolCall(LIGHT.name, {"room": "Hall", "names": ["Tisch-Lämpchen"]}, "call_b")
DONE = '{"result": "done-and-lit"}'
CONVERSATIONS = {
    "one turn": (SYSTEM, ASKED),
    "no system": (ASKED,),
    "turns": (SYSTEM, ASKED, Message("assistant", "Which one?"), Message("user", "The left one.")),
    "a call": (
        SYSTEM,
        ASKED,
        Message("assistant", tool_calls=(KITCHEN,)),
        Message("tool", DONE, tool_call_id="call_a"),
    ),
    "a call long ago": (
        SYSTEM,
        ASKED,
        Message("assistant", tool_calls=(KITCHEN,), reasoning="They want light."),
        Message("tool", DONE, tool_call_id="call_a"),
        Message("assistant", "It is on."),
        Message("user", "Thank you."),
    ),
    "two calls": (
        SYSTEM,
        ASKED,
        Message("assistant", "On it.", tool_calls=(KITCHEN, HALL)),
        Message("tool", DONE),
        Message("tool", DONE),
    ),
}


@pytest.fixture(scope="module", name="folder")
def folder_fixture() -> Path:
    """Get the templates."""
    return llama_cpp_models() / "templates"


@functools.cache
def template(folder: Path, name: str) -> ChatTemplate:
    """Return one of them."""
    return ChatTemplate((folder / f"{name}.jinja").read_text("utf-8"), bos="<s>", eos="</s>")


def prompt(template: ChatTemplate, messages: tuple[Message, ...], *, tools: bool) -> str:
    """Return the prompt of a conversation in the markup of the template."""
    markup = MARKUPS[own_markup(template.markup, None)]
    shown = TOOLS if tools else ()
    request = ChatRequest(messages, tools=shown)
    return render_prompt(request, shown, markup=markup, template=template, guard=lambda text: text)


def test_all_are_here(folder: Path) -> None:
    """Each template of llama.cpp's is among those that are tested."""
    assert {path.stem for path in folder.glob("*.jinja")} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_families(folder: Path, name: str) -> None:
    """The markup that a template shows calls in is told by its text, and so is how its model thinks."""
    found = template(folder, name)
    assert found.markup == SHOWN[name]
    if name in THOUGHTS:
        assert found.thoughts is not None
        assert found.thoughts.closing == THOUGHTS[name]
    else:
        assert found.thoughts is None or found.thoughts.closing == "</think>"


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_prompts(folder: Path, name: str, conversation: str) -> None:
    """Every template renders every conversation, with tools and without, and shows what was said, called and found."""
    found = template(folder, name)
    messages = CONVERSATIONS[conversation]
    plain = prompt(found, messages, tools=False)
    assert ASKED.content in plain
    with_tools = prompt(found, messages, tools=True)
    for tool in TOOLS:
        assert tool.name in with_tools
    assert "Set a light" in with_tools
    if messages[-1].role == "user" or name not in SYSTEM_LAST:
        assert (SYSTEM.content in with_tools) is (SYSTEM in messages)
    for message in messages:
        if message.role == "tool":
            assert "done-and-lit" in with_tools
        for call in message.tool_calls:
            assert ("so be it" if call is KITCHEN else "Tisch-") in with_tools


@pytest.mark.parametrize("name", [name for name, markup in SHOWN.items() if markup])
def test_what_a_template_shows_is_read(folder: Path, name: str) -> None:
    """The calls that a model's own template writes for it are read by the parser of the markup that was told."""
    found = template(folder, name)
    before = prompt(found, (SYSTEM, ASKED), tools=True)
    after = prompt(found, (SYSTEM, ASKED, Message("assistant", tool_calls=(KITCHEN,))), tools=True)
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
    common = len([*pairs])
    # A call may begin with the same characters as what else the assistant may begin with.
    common -= next((len(begun) for begun in ("<t", "<|") if after[:common].endswith(begun)), 0)
    markup = MARKUPS[SHOWN[name] or ""]
    said, _, called = calls_of(markup.parser(TOOLS), [after[common:]])
    assert called == [(KITCHEN.name, KITCHEN.arguments)]
    assert "so be it" not in said


@pytest.mark.parametrize("name", [name for name, markup in SHOWN.items() if markup in ("llama3", "gpt-oss")])
def test_one_call_a_message(folder: Path, name: str) -> None:
    """Where a template shows one call in a message, several are shown one after the other, each with its result."""
    shown = prompt(template(folder, name), CONVERSATIONS["two calls"], tools=True)
    # The first of them is in the schema of the tools.
    places = [shown.rindex(text) for text in ("so be it", "Tisch-Lämpchen")]
    assert places[0] < shown.index("done-and-lit") < places[1] < shown.rindex("done-and-lit")
