"""In which markup a model is prompted, bound and read: by its template, the catalogue, or the request."""

import dataclasses
import json

import pytest

from answers import answer
from home_llm.chat import Chat, ChatRequest, Limits, Message, ToolCall
from home_llm.chat.markups import MARKUPS, own_markup
from home_llm.chat.prompt import render_prompt
from home_llm.chat.template import ChatTemplate
from home_llm.engine import Constraint, ConstraintKind, Engine, FinishReason
from home_llm.llama import SamplingParameters
from home_llm.models.catalogue import MARKUPS as CATALOGUED
from home_llm.models.catalogue import catalogue
from markup_texts import LIGHT, TOOLS

GREEDY = SamplingParameters(temperature=0)
USER = Message("user", "Set the light in the kitchen.")
HISTORY = (
    Message("system", "You look after a house."),
    USER,
    Message("assistant", tool_calls=(ToolCall(LIGHT.name, {"room": "Kitchen"}, "call_1"),)),
    Message("tool", '{"lit": true}'),
    Message("user", "And the hall."),
)
TURNS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
# Templates in the manner of some families, as short as they can be.
QWEN = (
    "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}'
    "<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
PHI = (
    "{% for m in messages %}{% set message = m %}<|{{ m.role }}|>{{ m.content }}{% if message['tools'] %}"
    "<|tool|>{{ message['tools'] }}<|/tool|>{% endif %}<|end|>{% endfor %}<|assistant|>"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TURNS
MISTRAL = (
    "{% for m in messages %}{% for c in m.tool_calls or [] %}[TOOL_CALLS]{{ c.function.name }}[ARGS]"
    "{% if c.id | length != 9 %}{{ raise_exception('nine') }}{% endif %}({{ c.id }}){% endfor %}"
    "{% if m.role == 'tool' %}({{ m.tool_call_id }}:{{ m.name }}){% endif %}{% endfor %}"
)
HARMONY = "{# functions. <|channel|>analysis<|message|> #}" + TURNS


def rendered(source: str, name: str, messages: tuple[Message, ...] = HISTORY) -> str:
    """Return the prompt of a conversation with tools."""
    request = ChatRequest(messages, tools=TOOLS)
    return render_prompt(
        request, TOOLS, markup=MARKUPS[name], template=ChatTemplate(source), guard=lambda text: f"«{text}»"
    )


def test_own_markup() -> None:
    """A template tells the markup, the catalogue where it does not or where the model was trained for a house."""
    assert own_markup("hermes", None) == "hermes"
    assert own_markup("mistral-args", "mistral") == "mistral-args"
    assert own_markup(None, "gemma4") == "gemma4"
    assert own_markup("llama3", "home-json") == "home-json"
    assert own_markup(None, "none") == "any"
    assert own_markup(None, None) == "any"


def test_catalogue() -> None:
    """Every markup that the catalogue names is one that is read here."""
    assert CATALOGUED - {"none"} <= set(MARKUPS)
    assert {entry.markup for entry in catalogue()} <= CATALOGUED


def test_a_template_shows_its_own_markup_only() -> None:
    """In its own markup a template shows tools and calls itself; in another one they are written as text."""
    own = rendered(QWEN, "hermes")
    assert own.startswith("<tools>[{")
    assert '<tool_call>\n{"name": "light.set", "arguments": {"room": "Kitchen"}}\n</tool_call>' in own
    assert '<|im_start|>tool\n«{"lit": true}»' in own
    other = rendered(QWEN, "home")
    assert "Services: light.set" in other
    assert "light.set(Kitchen)" in other
    assert "<tools>" not in other
    assert "<|im_start|>tool" not in other


def test_phi_has_its_tools_in_the_system_message() -> None:
    """Phi-4's template gets the tools as a text in the system message, which is made where there is none."""
    for messages in (HISTORY, HISTORY[1:]):
        prompt = rendered(PHI, "phi", messages)
        shown = prompt.partition("<|tool|>«")[2].partition("»<|/tool|>")[0]
        assert [tool["name"] for tool in json.loads(shown)] == [tool.name for tool in TOOLS]
        assert '<|tool_call|>[{"name": "light.set", "arguments": {"room": "Kitchen"}}]<|/tool_call|>' in prompt


def test_templates_without_system_messages() -> None:
    """Where a template refuses a system message, the user says it."""
    prompt = rendered(NO_SYSTEM, "any")
    assert "<|im_start|>user\n«You look after a house." in prompt
    assert "light.set" in prompt


def test_ids_of_calls() -> None:
    """A result without an id belongs to the next open call, and ids are as long as a template wants them."""
    calls = (ToolCall("a", {}, "call_with_a_long_id"), ToolCall("b", {}, "ABCdef123"))
    results = (Message("tool", "1"), Message("tool", "2", tool_call_id="ABCdef123"))
    prompt = rendered(MISTRAL, "mistral-args", (USER, Message("assistant", tool_calls=calls), *results))
    first = prompt.partition("(")[2][:9]
    assert prompt == (f"[TOOL_CALLS]a[ARGS]({first})[TOOL_CALLS]b[ARGS](ABCdef123)({first}:a)(ABCdef123:b)")


@pytest.mark.parametrize("name", sorted(MARKUPS))
def test_required_calls(chat: Chat, name: str) -> None:
    """In every markup a required call comes and is valid, and none where the limit cuts it."""
    request = ChatRequest(
        (USER,),
        tools=(LIGHT,),
        tool_choice="required",
        tool_markup=name,
        parallel_tool_calls=False,
        sampling=GREEDY,
        limits=Limits(max_tokens=200),
        allowed_values={"words": (), "names": (), "detail": (), "ratio": ()},
    )
    _, text, calls, finish = answer(chat, request)
    assert text == ""
    assert finish.reason is FinishReason.STOP
    (call,) = calls
    assert call.name == LIGHT.name
    assert call.arguments["room"] in {"Kitchen", "Hall"}
    assert set(call.arguments) <= {"room", "brightness", "on"}
    cut = ChatRequest(
        (USER,), tools=(LIGHT,), tool_choice="required", tool_markup=name, sampling=GREEDY, limits=Limits(max_tokens=3)
    )
    _, text, calls, finish = answer(chat, cut)
    assert (text, calls, finish.reason) == ("", [], FinishReason.LENGTH)


def test_trained_markup(engine: Engine) -> None:
    """A model that the catalogue knows is prompted in the markup that it was trained on, unless the request says so."""
    chat = Chat(engine, markup="home-json")
    request = ChatRequest(HISTORY, tools=TOOLS)
    prompt = chat.render(request)
    assert "Services: light.set" in prompt
    assert '```homeassistant\n{"service": "light.set", "target_device": "Kitchen"}\n```' in prompt
    assert "lit" in prompt
    assert "<tool_call>" in Chat(engine, markup="none").render(request)
    assert "<tool_call>" in chat.render(ChatRequest(HISTORY, tools=TOOLS, tool_markup="hermes"))


def test_channels(chat: Chat) -> None:
    """Where a template frames answers in channels, the headers are never said, with tools, a schema, or neither."""
    schema = Constraint(ConstraintKind.JSON_SCHEMA, json.dumps({"type": "object", "properties": {"a": {"enum": [1]}}}))
    plain = ChatRequest((USER,), template=HARMONY, sampling=GREEDY, limits=Limits(max_tokens=200))
    wanted = dataclasses.replace(plain, tools=TOOLS, tool_choice="required")
    _, text, calls, finish = answer(chat, wanted)
    assert text == ""
    assert len(calls) == (finish.reason is FinishReason.STOP)
    _, text, _, finish = answer(chat, dataclasses.replace(plain, constraint=schema))
    assert finish.reason is FinishReason.LENGTH or isinstance(json.loads(text), dict)
    thought, text, calls, _ = answer(chat, dataclasses.replace(plain, limits=Limits(max_tokens=8)))
    assert text
    assert (thought, calls) == ("", [])
