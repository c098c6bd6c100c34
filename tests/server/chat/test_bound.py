"""What binds an answer when a model thinks, and when tools and a schema come together."""

import json

import pytest

from answers import answer
from home_llm.chat import (
    Chat,
    ChatRequest,
    Limits,
    Message,
    RequestError,
    Text,
    Tool,
    ToolChoice,
)
from home_llm.chat.markups import MARKUPS, Binding
from home_llm.engine import Constraint, ConstraintKind, FinishReason, as_rule
from home_llm.engine.constraint import ConstraintCompiler
from home_llm.llama import Model, SamplingParameters

GREEDY = SamplingParameters(temperature=0)
# ChatML whose assistant thinks: the first one may, the second one does, the third one has been told not to.
TURNS = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
MAY_THINK = TURNS + "<|im_start|>assistant\n{# up to </think> #}"
THINKS = TURNS + "<|im_start|>assistant\n<think>\n{# up to </think> #}"
SILENT = TURNS + "<|im_start|>assistant\n<think>\n\n</think>\n\n"
NEVER = TURNS + "<|im_start|>assistant\n"

SCHEMA = {
    "type": "object",
    "properties": {"word": {"enum": ["tree", "bush"]}},
    "required": ["word"],
    "additionalProperties": False,
}
JSON = Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(SCHEMA))
PLANT = Tool("plant", "", {"type": "object", "properties": {"what": {"enum": ["oak", "elm"]}}, "required": ["what"]})


def conversation(*, thoughts: bool) -> tuple[Message, ...]:
    """Return a conversation in which the assistant answers in JSON, with thoughts or without."""
    messages: list[Message] = []
    for word in ("red", "dog", "sun"):
        answer = json.dumps({"word": word})
        thought = f"<think>\nI must say {word}.\n</think>\n\n" if thoughts else ""
        messages += [Message("user", f"Say {word}."), Message("assistant", thought + answer)]
    return (*messages, Message("user", "Say tree."))


@pytest.mark.parametrize(
    ("template", "thoughts", "thinks"),
    [(THINKS, True, True), (MAY_THINK, True, True), (MAY_THINK, False, False), (SILENT, True, False)],
)
@pytest.mark.parametrize("logprobs", [None, 0])
def test_a_schema_waits_for_thoughts(
    chat: Chat, template: str, thoughts: bool, thinks: bool, logprobs: int | None
) -> None:
    """Thoughts are free, the content is bound, whoever opens the thoughts; and there need not be any."""
    request = ChatRequest(
        conversation(thoughts=thoughts),
        template=template,
        constraint=JSON,
        sampling=GREEDY,
        limits=Limits(max_tokens=60),
        logprobs=logprobs,
    )
    thought, text, _, finish = answer(chat, request)
    assert json.loads(text)["word"] in {"tree", "bush"}
    assert ("I must say tree." in thought) is thinks
    assert finish.reason is FinishReason.STOP
    if logprobs is not None:
        events = [event for event in chat.prepare(request).events() if isinstance(event, Text)]
        assert b"".join(token.piece for event in events for token in event.logprobs).decode().strip() == text


def test_models_that_never_think(chat: Chat) -> None:
    """Where the template knows no thoughts, the first token is bound, whatever was said before."""
    request = ChatRequest(
        conversation(thoughts=True), template=NEVER, constraint=JSON, sampling=GREEDY, limits=Limits(max_tokens=60)
    )
    thought, text, _, _ = answer(chat, request)
    assert thought == ""
    assert json.loads(text)["word"] in {"tree", "bush"}


@pytest.mark.parametrize("markup", ["hermes", "home"])
def test_required_calls_wait_for_thoughts(chat: Chat, markup: str) -> None:
    """A model thinks before the call that it must make."""
    request = ChatRequest(
        conversation(thoughts=True),
        tools=(PLANT,),
        tool_choice="required",
        tool_markup=markup,
        render_tools=False,
        parallel_tool_calls=False,
        template=THINKS,
        sampling=GREEDY,
        limits=Limits(max_tokens=100),
    )
    thought, _, (call,), _ = answer(chat, request)
    assert "I must say tree." in thought
    assert call.name == "plant"
    assert call.arguments["what"] in {"oak", "elm"}


def test_thoughts_are_bounded(chat: Chat) -> None:
    """Thoughts that do not end are cut by the limit: there is no content, and the reason says so."""
    request = ChatRequest(
        conversation(thoughts=True),
        template=THINKS,
        constraint=JSON,
        sampling=SamplingParameters(temperature=0, logit_bias={chat.model.tokenize("</")[0]: -100.0}),
        limits=Limits(max_tokens=30),
    )
    thought, text, _, finish = answer(chat, request)
    assert thought
    assert text == ""
    assert finish.reason is FinishReason.LENGTH
    assert finish.usage.completion_tokens == 30


CALL = {
    "hermes": '<tool_call>\n{"name": "plant", "arguments": {"what": "oak"}}\n</tool_call>',
    "home": "plant(oak)",
}


@pytest.mark.parametrize("markup", ["hermes", "home"])
@pytest.mark.parametrize("is_special", [True, False])
def test_calls_or_the_schema(model: Model, markup: str, is_special: bool) -> None:
    """With tools and a schema an answer is calls, or JSON that fits the schema, and nothing else."""
    compiler = ConstraintCompiler(model)
    # The embedded model has no token for the tag: one of its own stands in for it.
    tag = "<issue_start>" if is_special else "<tool_call>"
    for required in (True, False):
        binding = Binding(
            (PLANT,),
            required=required,
            parallel=True,
            special=lambda text: 1 if is_special and text == "<tool_call>" else None,
            answer=as_rule(JSON),
        )
        grammar = MARKUPS[markup].grammar(binding)
        constraint = Constraint(ConstraintKind.LARK, grammar.replace("<tool_call>", tag))
        call = CALL[markup].replace("<tool_call>", tag)
        for text, admitted in (
            (call, True),
            (f"{call}\n{call}", True),
            ('{"word": "tree"}', not required),
            ('{"word": "stone"}', False),
            ("A tree.", False),
            (f"{call}\nDone.", False),
            (f'{call}\n{{"word": "tree"}}', False),
        ):
            matcher = compiler.matcher(constraint)._matcher
            tokens = model.tokenize(text)
            whole = matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()
            assert whole is admitted, (required, text)


@pytest.mark.parametrize("markup", ["hermes", "home"])
@pytest.mark.parametrize(("choice", "called"), [("auto", False), ("required", True), ("none", False)])
def test_tools_and_a_schema(chat: Chat, markup: str, choice: ToolChoice, called: bool) -> None:
    """A model that has answered in JSON so far goes on so, unless it must call."""
    request = ChatRequest(
        conversation(thoughts=False),
        tools=(PLANT,),
        tool_choice=choice,
        tool_markup=markup,
        render_tools=False,
        constraint=JSON,
        sampling=GREEDY,
        limits=Limits(max_tokens=400),
    )
    _, text, calls, _ = answer(chat, request)
    if called:
        assert calls
        assert text == ""
    else:
        assert calls == []
        assert json.loads(text)["word"] in {"tree", "bush"}


TREE = {
    "type": "object",
    "$defs": {
        "kind": {"enum": ["oak", "elm"]},
        "branch": {"type": "object", "properties": {"of": {"$ref": "#/$defs/kind"}}, "required": ["of"]},
    },
    "properties": {"what": {"$ref": "#/$defs/kind"}, "on": {"$ref": "#/$defs/branch"}},
    "required": ["what", "on"],
    "additionalProperties": False,
}
ODD = [
    TREE,
    {"$ref": "#/$defs/whole", "$defs": {"whole": {"type": "object", "properties": {"what": {"const": "oak"}}}}},
    {"type": "object", "properties": {"what": {"type": "string", "pattern": "^(?!oak)[a-z]*$", "maxLength": 5}}},
    {"type": "object", "properties": {"what": True, "never": False}},
    {"type": "object", "properties": {"what": {"not": {"const": "oak"}, "type": "integer", "maximum": 9}}},
    {"type": ["object", "null"], "additionalProperties": {"type": "boolean"}, "maxProperties": 1},
    {"type": "object", "properties": {"what": {"enum": ["oak"]}, "of": {"$ref": "#"}}, "required": ["what"]},
]


@pytest.mark.parametrize("markup", ["hermes", "home"])
@pytest.mark.parametrize("parameters", ODD)
def test_odd_parameters(chat: Chat, markup: str, parameters: dict[str, object]) -> None:
    """A tool can be called whose parameters refer to themselves, or say what cannot be enforced."""
    request = ChatRequest(
        (Message("user", "Plant a tree."),),
        tools=(Tool("plant", "", parameters),),
        tool_choice="required",
        parallel_tool_calls=False,
        tool_markup=markup,
        sampling=GREEDY,
        limits=Limits(max_tokens=120),
    )
    _, _, calls, finish = answer(chat, request)
    assert len(calls) == 1 or (not calls and finish.reason is FinishReason.LENGTH)
    for call in calls:
        assert call.name == "plant"
        if parameters is TREE:
            assert call.arguments["what"] in {"oak", "elm"}
            assert call.arguments["on"]["of"] in {"oak", "elm"}


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"type": "string"}, "type is 'string'"),
        ({"properties": 5}, "properties"),
        ({"properties": {"a": 5}}, "properties"),
        ({"required": "a"}, "required"),
        ({"properties": {"a": {"type": "integer", "minimum": 5, "maximum": 1}}, "required": ["a"]}, "tools"),
    ],
)
@pytest.mark.parametrize("markup", ["hermes", "home"])
def test_parameters_that_are_none(chat: Chat, markup: str, parameters: dict[str, object], reason: str) -> None:
    """Parameters that are no schema of an object, or that nothing fits, are refused with the reason."""
    tool = Tool("plant", "", parameters)
    with pytest.raises(RequestError, match=reason) as error:
        chat.prepare(ChatRequest((Message("user", "hi"),), tools=(tool,), tool_choice="required", tool_markup=markup))
    assert (error.value.param or "").startswith("tools")


def test_a_list_in_home_markup(chat: Chat) -> None:
    """The real model, bound to the targets of a house, leaves out what it was asked to leave out."""
    targets = ["area.hall", "area.kitchen", "floor.downstairs"]
    off = Tool(
        "light.turn_off",
        "",
        {
            "type": "object",
            "properties": {
                "entity_id": {"type": "string", "enum": [*targets, "all"]},
                "except": {"type": "array", "items": {"enum": targets}, "minItems": 1, "maxItems": 4},
            },
            "required": ["entity_id", "except"],
        },
    )
    messages = [Message("system", f"Services: light.turn_off\nAreas: all, {', '.join(targets)}")]
    for room in ("kitchen", "hall"):
        messages += [
            Message("user", f"all lights off except the {room}"),
            Message("assistant", f'light.turn_off(all, except=["area.{room}"])\nAll is dark but the {room}.'),
        ]
    request = ChatRequest(
        (*messages, Message("user", "all lights off except the hall")),
        tools=(off,),
        tool_choice="required",
        tool_markup="home",
        render_tools=False,
        sampling=GREEDY,
        limits=Limits(max_tokens=60),
    )
    _, _, calls, _ = answer(chat, request)
    assert [call.arguments for call in calls] == [{"entity_id": "all", "except": ["area.hall"]}]
