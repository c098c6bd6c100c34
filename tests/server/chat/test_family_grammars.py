"""What binds the calls of each family: what it writes is admitted, and nothing else that looks like a call."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from home_llm.chat.markups import MARKUPS, Binding
from home_llm.chat.vocabulary import Tool, ToolCall
from home_llm.engine import Constraint, ConstraintKind, as_rule
from home_llm.engine.constraint import ConstraintCompiler
from home_llm.llama import Model
from llama_cpp_sources import llama_cpp_models
from markup_texts import LIGHT, OPENINGS, STOP, TOOLS

FAMILIES = sorted(OPENINGS)
KITCHEN = ToolCall(LIGHT.name, {"room": "Kitchen", "brightness": 40})
HALL = ToolCall(
    LIGHT.name,
    {"room": "Hall", "words": 'so "good" <é>', "ratio": -0.5, "on": True, "names": ["a", "b c"], "detail": {"k": [1]}},
)
ALL = ToolCall(STOP.name, {})
ANSWER = Constraint(ConstraintKind.CHOICE, '["yes", "no"]')

# In the order of the schema, as a grammar has it.
TEXTS = st.text(alphabet="ab é.,:;{}[]()'=/", max_size=12)
ARGUMENTS = st.fixed_dictionaries(
    {"room": st.sampled_from(["Kitchen", "Hall"])},
    optional={
        "words": TEXTS,
        "brightness": st.integers(-(10**6), 10**6),
        "ratio": st.integers(-999, 999).map(lambda number: number / 8),
        "on": st.booleans(),
        "names": st.lists(TEXTS, max_size=2),
    },
).map(lambda found: {name: found[name] for name in LIGHT.parameters["properties"] if name in found})


@pytest.fixture(scope="module", name="compiler")
def compiler_fixture(model: Model) -> ConstraintCompiler:
    """Compile for the embedded model."""
    return ConstraintCompiler(model)


@pytest.fixture(name="gemma")
def gemma_fixture() -> Iterator[Model]:
    """Load Gemma 4's vocabulary, which has the markers of its calls as special tokens."""
    model = Model(llama_cpp_models() / "ggml-vocab-gemma-4.gguf", vocabulary_only=True)
    yield model
    model.close()


def bound(
    name: str, *, tools: tuple[Tool, ...] = TOOLS, required: bool = False, parallel: bool = True, answer: bool = False
) -> Constraint:
    """Return the grammar of a family on a vocabulary without its special tokens."""
    rule = as_rule(ANSWER) if answer else None
    binding = Binding(tools, required, parallel, special=lambda _: None, answer=rule)
    return Constraint(ConstraintKind.LARK, MARKUPS[name].grammar(binding))


def admits(compiler: ConstraintCompiler, model: Model, constraint: Constraint, text: str) -> bool:
    """Return whether a text is an answer under a grammar."""
    matcher = compiler.matcher(constraint)._matcher
    tokens = model.tokenize(text, parse_special=False)
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


def written(name: str, *calls: ToolCall) -> str:
    """Return calls as a family writes them."""
    return MARKUPS[name].write_calls(calls, TOOLS)


def said(name: str, text: str) -> str:
    """Return a text as a family says it."""
    return f"<|channel|>final<|message|>{text}" if name == "gpt-oss" else text


@pytest.mark.parametrize("name", FAMILIES)
def test_calls_and_texts(compiler: ConstraintCompiler, model: Model, name: str) -> None:
    """Calls are admitted, texts where no call is required, and one call only where several are not wanted."""
    free, required = bound(name), bound(name, required=True)
    for constraint in (free, required):
        assert admits(compiler, model, constraint, written(name, KITCHEN))
        assert admits(compiler, model, constraint, written(name, ALL))
        assert admits(compiler, model, constraint, written(name, HALL))
    assert admits(compiler, model, free, said(name, "It is 21 °C, and < 22.\nGood."))
    assert not admits(compiler, model, required, said(name, "It is on."))
    if name != "gpt-oss":
        # GPT-OSS makes one call and waits.
        assert admits(compiler, model, free, written(name, KITCHEN, ALL))
        assert admits(compiler, model, required, written(name, KITCHEN, ALL))
    for one in (bound(name, parallel=False), bound(name, required=True, parallel=False)):
        assert admits(compiler, model, one, written(name, KITCHEN))
        assert not admits(compiler, model, one, written(name, KITCHEN, ALL))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("required", [True, False])
def test_what_is_no_call(compiler: ConstraintCompiler, model: Model, name: str, required: bool) -> None:
    """A tool that is not there, a value that is not allowed and a parameter that nobody knows are impossible."""
    constraint = bound(name, required=required)
    for wrong in (
        ToolCall("light.sat", {"room": "Hall"}),
        ToolCall(LIGHT.name, {"room": "Garage"}),
        ToolCall(LIGHT.name, {"room": "Hall", "brightness": "bright"}),
        ToolCall(LIGHT.name, {"room": "Hall", "colour": "red"}),
        ToolCall(LIGHT.name, {"words": "now"}),
    ):
        text = written(name, wrong)
        assert not admits(compiler, model, constraint, text), text


@pytest.mark.parametrize("name", FAMILIES)
def test_text_before_calls(compiler: ConstraintCompiler, model: Model, name: str) -> None:
    """Where a model is free it may speak first, and a call that it begins then must be a right one."""
    if name in ("llama3", "gpt-oss"):
        # Its call is the whole answer, or in a message of its own.
        return
    free = bound(name)
    assert admits(compiler, model, free, f"Sure, {written(name, KITCHEN)}")
    assert not admits(compiler, model, free, f"Sure, {written(name, ToolCall('light.sat', {'room': 'Hall'}))}")


@pytest.mark.parametrize("name", FAMILIES)
def test_calls_or_an_answer(compiler: ConstraintCompiler, model: Model, name: str) -> None:
    """With a constraint of the client's own an answer is calls, or what that admits."""
    for required in (True, False):
        constraint = bound(name, required=required, answer=True)
        assert admits(compiler, model, constraint, written(name, KITCHEN))
        assert admits(compiler, model, constraint, said(name, "yes")) is not required
        assert not admits(compiler, model, constraint, said(name, "perhaps"))


ODD: list[dict[str, Any]] = [
    {"type": "object"},
    {
        "type": "object",
        "$defs": {"kind": {"enum": ["oak", "elm"]}},
        "properties": {"what": {"$ref": "#/$defs/kind"}, "of": {"$ref": "#"}},
        "required": ["what"],
    },
    {
        "type": "object",
        "properties": {"a b": {"type": "string"}, 'q"': {"type": "integer"}, "n\nl": {"type": ["null"]}},
    },
    {
        "type": "object",
        "properties": {
            "lists": {"type": "array", "items": {"type": "array", "items": {"enum": ["x", 1]}}},
            "object": {"type": "object", "properties": {"z": {"type": "string"}}},
            "words": {"enum": ["a/b", '"q"', "l\nb", "<x>", ""]},
            "one": {"const": "k"},
            "perhaps": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "short": {"type": "string", "maxLength": 3},
        },
        "required": ["object", "short"],
        "additionalProperties": True,
    },
]


@pytest.mark.parametrize("name", [*FAMILIES, "home"])
@pytest.mark.parametrize("parameters", ODD)
@pytest.mark.parametrize("tool", ["plant", 'a/b "q" é'])
def test_odd_tools(compiler: ConstraintCompiler, name: str, parameters: dict[str, Any], tool: str) -> None:
    """A grammar can be made of tools whatever they and their parameters are called and hold."""
    tools = (Tool(tool, "", parameters), Tool("tree.plant", "", parameters))
    for required in (True, False):
        for answer in (True, False):
            compiler.matcher(bound(name, tools=tools, required=required, answer=answer))


@pytest.mark.parametrize("name", FAMILIES)
@settings(deadline=None, max_examples=40)
@given(arguments=ARGUMENTS)
def test_any_arguments(compiler: ConstraintCompiler, model: Model, name: str, arguments: dict[str, Any]) -> None:
    """Whatever arguments a family writes for a tool are admitted."""
    text = written(name, ToolCall(LIGHT.name, arguments))
    assert admits(compiler, model, bound(name, required=True), text), text


def test_thoughts_of_gpt_oss(compiler: ConstraintCompiler, model: Model) -> None:
    """GPT-OSS thinks and speaks in messages of their own before a call, and before what the client's schema binds."""
    thought = "<|channel|>analysis<|message|>The hall, they say.<|end|><|start|>assistant"
    spoken = "<|channel|>commentary<|message|>One moment.<|end|><|start|>assistant"
    call = written("gpt-oss", KITCHEN)
    for constraint in (bound("gpt-oss"), bound("gpt-oss", required=True)):
        assert admits(compiler, model, constraint, thought + spoken + call)
        role = '<|channel|>commentary json<|message|>{"room": "Hall"}'
        assert admits(compiler, model, constraint, f"{thought} to=functions.light.set{role}")
    answered = bound("gpt-oss", tools=(), answer=True)
    assert admits(compiler, model, answered, thought + said("gpt-oss", "no"))
    assert not admits(compiler, model, answered, thought + said("gpt-oss", "maybe"))
    assert not admits(compiler, model, answered, call)


@pytest.mark.parametrize("required", [True, False])
def test_special_tokens(gemma: Model, required: bool) -> None:
    """On Gemma 4's own vocabulary its calls are bound by its special tokens, also around strings."""
    compiler = ConstraintCompiler(gemma)
    binding = Binding(TOOLS, required, parallel=True, special=gemma.special_token)
    constraint = Constraint(ConstraintKind.LARK, MARKUPS["gemma4"].grammar(binding))
    for call, admitted in ((KITCHEN, True), (HALL, True), (ToolCall("light.sat", {"room": "Hall"}), False)):
        for end in ("", "<|tool_response>"):
            matcher = compiler.matcher(constraint)._matcher
            tokens = gemma.tokenize(written("gemma4", call) + end)
            assert {gemma.special_token(marker) for marker in ("<|tool_call>", "<tool_call|>", '<|"|>')} <= set(tokens)
            assert (matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()) is admitted


@pytest.mark.parametrize(
    "name", [name for name in FAMILIES if OPENINGS[name][0].startswith("<") and name not in ("gpt-oss", "llama3")]
)
@pytest.mark.parametrize("required", [True, False])
def test_openings_that_are_tokens(compiler: ConstraintCompiler, model: Model, name: str, required: bool) -> None:
    """Where a family's opening is one token, it begins a call, and its letters are a text like any other."""
    opening, token = OPENINGS[name][0], "<issue_start>"
    # One of the embedded model's own tokens stands in for it.
    number = model.special_token(token)
    binding = Binding(TOOLS, required, parallel=True, special={opening: number}.get)
    constraint = Constraint(ConstraintKind.LARK, MARKUPS[name].grammar(binding).replace(opening, token))
    for call, admitted in ((KITCHEN, True), (HALL, True), (ToolCall("light.sat", {"room": "Hall"}), False)):
        matcher = compiler.matcher(constraint)._matcher
        tokens = model.tokenize(written(name, call).replace(opening, token))
        assert number in tokens
        assert (matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()) is admitted
    assert admits(compiler, model, constraint, f"The marker {token} begins a call.") is not required


@pytest.mark.parametrize("required", [True, False])
def test_llama_tag(compiler: ConstraintCompiler, model: Model, required: bool) -> None:
    """Llama's tag may stand before its calls where the vocabulary has it."""
    tag, token = "<|python_tag|>", "<issue_start>"
    binding = Binding(TOOLS, required, parallel=True, special={tag: model.special_token(token)}.get)
    constraint = Constraint(ConstraintKind.LARK, MARKUPS["llama3"].grammar(binding).replace(tag, token))
    for begin in (token, ""):
        matcher = compiler.matcher(constraint)._matcher
        tokens = model.tokenize(begin + written("llama3", KITCHEN, ALL))
        assert matcher.try_consume_tokens(tokens) == len(tokens)
        assert matcher.is_accepting()


def test_markers_that_are_not_in_angle_brackets(compiler: ConstraintCompiler, model: Model) -> None:
    """A special token such as Mistral's, whose text is in square brackets, is told by its number."""
    number = model.special_token("<issue_start>")
    arguments = model.special_token("<issue_closed>")
    numbers = {"[TOOL_CALLS]": number, "[ARGS]": arguments}
    for required in (True, False):
        binding = Binding(TOOLS, required, parallel=True, special=numbers.get)
        constraint = Constraint(ConstraintKind.LARK, MARKUPS["mistral-args"].grammar(binding))
        for tool, admitted in (("stop_all", True), ("stop", False)):
            matcher = compiler.matcher(constraint)._matcher
            tokens = [*model.tokenize(f"<issue_start>{tool}<issue_closed>"), *model.tokenize("{}")]
            assert {number, arguments} <= set(tokens)
            assert (matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()) is admitted
