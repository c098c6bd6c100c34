"""What the markups' grammars admit, token by token on a real vocabulary."""

import json

import pytest

from home_llm.chat.markups import MARKUPS, Binding
from home_llm.chat.vocabulary import Tool
from home_llm.engine import Constraint, ConstraintKind
from home_llm.engine.constraint import ConstraintCompiler
from home_llm.llama import Model

TOOLS = (
    Tool(
        "light.turn_on",
        "",
        {
            "type": "object",
            "properties": {
                "entity_id": {"type": "string", "enum": ["light.kitchen", "light.hall"]},
                "brightness": {"type": "integer", "minimum": 0, "maximum": 100},
            },
            "required": ["entity_id"],
        },
    ),
    Tool(
        "light.turn_off",
        "",
        {
            "type": "object",
            "properties": {
                "entity_id": {"type": "string", "enum": ["light.kitchen", "floor.downstairs", "all"]},
                "except": {
                    "type": "array",
                    "items": {"type": "string", "enum": ["light.kitchen", "area.hall", "area.kitchen"]},
                    "minItems": 1,
                    "maxItems": 2,
                },
            },
            "required": ["entity_id"],
            "dependentSchemas": {"except": {"properties": {"entity_id": {"enum": ["floor.downstairs", "all"]}}}},
        },
    ),
    Tool(
        "lock.lock",
        "",
        {"type": "object", "properties": {"entity_id": {"enum": ["lock.door"]}}, "required": ["entity_id"]},
    ),
)


def call(name: str, **arguments: object) -> str:
    """Return a call in Hermes markup."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


KITCHEN = call("light.turn_on", entity_id="light.kitchen")
# text, whether it is an answer when the model is free to call, whether when it must.
HERMES = [
    ("Good morning.", True, False),
    (KITCHEN, True, True),
    (f"{KITCHEN}\n{call('lock.lock', entity_id='lock.door')}", True, True),
    (f"Sure. {KITCHEN}", True, False),
    (call("light.turn_on", entity_id="light.hall", brightness=40), True, True),
    (call("light.turn_on", entity_id="light.hall", brightness=101), False, False),
    (call("light.turn_on", entity_id="light.garage"), False, False),
    (call("lock.unlock", entity_id="lock.door"), False, False),
    (call("lock.lock", entity_id="lock.door", code=1), False, False),
    ("<tool_call>never mind", False, False),
    ("if a < b", True, False),
]
HOME = [
    ("Good morning.\nHow are you?", True, False),
    ("light.turn_on(light.kitchen)", True, True),
    ("light.turn_on(light.kitchen, brightness=40)\nlock.lock(lock.door)\nIt is done.", True, True),
    ("light.turn_on(light.kitchen, brightness=400)", False, False),
    ("light.turn_on(light.garage)", False, False),
    ("light.turn_off(all)\nAll is dark.", True, True),
    ('light.turn_off(floor.downstairs, except=["area.hall"])', True, True),
    ('light.turn_off(all, except=["area.hall", "light.kitchen"])\nlock.lock(lock.door)\nDone.', True, True),
    ("light.turn_off(light.kitchen)", True, True),
    ('light.turn_off(light.kitchen, except=["area.hall"])', False, False),
    ("light.turn_off(all, except=[])", False, False),
    ('light.turn_off(all, except=["area.attic"])', False, False),
    ('light.turn_off(all, except=["area.hall", "area.hall", "area.hall"])', False, False),
    ('light.turn_off(all, except="area.hall")', False, False),
    ("light.turn_off(all, except=[area.hall])", False, False),
    ("lock.unlock(lock.door)", False, False),
    ("lock.unlock the door", False, False),
    ("Let me see: lock.unlock(lock.door)", False, False),
    ("It is 21.5 degrees (warm).", True, False),
    ("21.5 degrees.", True, False),
    ("U.S. presidents live there.\nDr. No does not.", True, False),
    ("door.Unlock() Unlocking the Front Door.", False, False),
    ("Door.unlock the door", False, False),
    ("I call Door.Unlock(door)", False, False),
    ("unlock.(lock.door)", False, False),
    ("door. unlock_door() Unlocking the door.", False, False),
    ("The kitchen light(s) of home.example are on, in the network my_home.", True, False),
]


@pytest.fixture(scope="module", name="compiler")
def compiler_fixture(model: Model) -> ConstraintCompiler:
    """Compile for the embedded model."""
    return ConstraintCompiler(model)


def admits(compiler: ConstraintCompiler, model: Model, grammar: str, text: str) -> bool:
    """Return whether a text is an answer under a grammar."""
    matcher = compiler.matcher(Constraint(ConstraintKind.LARK, grammar))._matcher
    tokens = model.tokenize(text, parse_special=False)
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


@pytest.mark.parametrize(
    ("name", "text", "free", "required"),
    [("hermes", *row) for row in HERMES] + [("home", *row) for row in HOME],
)
def test_answers(
    compiler: ConstraintCompiler,
    model: Model,
    name: str,
    text: str,
    free: bool,
    required: bool,
) -> None:
    """A right call or a text is admitted, a call that is begun and not a right one is impossible."""
    for must, expected in ((False, free), (True, required)):
        grammar = MARKUPS[name].grammar(Binding(TOOLS, must, parallel=True, special=lambda _: None))
        assert admits(compiler, model, grammar, text) is expected, must


def test_one_call(compiler: ConstraintCompiler, model: Model) -> None:
    """Without parallel calls a second one is impossible."""
    for name, one, two in (
        ("hermes", KITCHEN, f"{KITCHEN}\n{KITCHEN}"),
        ("home", "lock.lock(lock.door)", "lock.lock(lock.door)\nlock.lock(lock.door)"),
    ):
        for must in (True, False):
            grammar = MARKUPS[name].grammar(Binding(TOOLS, must, parallel=False, special=lambda _: None))
            assert admits(compiler, model, grammar, one)
            assert not admits(compiler, model, grammar, two)


@pytest.mark.parametrize(
    ("text", "admitted"),
    [
        ("play music/loud(jazz)", True),
        ("play music/loud(rock)", False),
        ("play music/loud(jazz)\nIt plays.", True),
        ("play music/loud(jazz)\nplay music/loud(rock)", False),
        ("play music/loud(jazz)\nYes.\n play music/loud(rock)", False),
        ("I play music/loud (jazz)", True),
    ],
)
def test_names_that_are_no_services(compiler: ConstraintCompiler, model: Model, text: str, admitted: bool) -> None:
    """In home markup a sentence cannot hold a line that would be read as a call, whatever the tool is called."""
    parameters = {"type": "object", "properties": {"what": {"enum": ["jazz"]}}, "required": ["what"]}
    tools = (Tool("play music/loud", "", parameters),)
    grammar = MARKUPS["home"].grammar(Binding(tools, required=False, parallel=False, special=lambda _: None))
    assert admits(compiler, model, grammar, text) is admitted


def _house(name: str, required: list[str], **properties: object) -> Tool:
    """Return a tool as the integration describes a home service."""
    return Tool(
        name,
        "",
        {"type": "object", "properties": properties, "required": required, "additionalProperties": False},
    )


HOUSE = (
    _house(
        "light.turn_on",
        ["entity_id"],
        entity_id={"type": "string", "enum": ["light.kitchen", "area.kitchen", "floor.ground"]},
        color={"type": "string", "enum": ["blue", "red"]},
    ),
    _house(
        "fan.oscillate",
        ["entity_id", "oscillating"],
        entity_id={"type": "string", "enum": ["fan.desk"]},
        oscillating={"type": "boolean"},
    ),
    _house(
        "todo.add_item",
        ["entity_id", "item"],
        entity_id={"type": "string", "enum": ["todo.shopping"]},
        item={"type": "string", "minLength": 1, "maxLength": 100},
    ),
    _house(
        "assist.start_timer",
        ["duration"],
        duration={
            "type": "string",
            "pattern": "^[0-9]{1,3} (hours?|minutes?|seconds?)( [0-9]{1,2} (minutes?|seconds?))?$",
        },
    ),
    _house("assist.cancel_timer", []),
)


@pytest.mark.parametrize(
    ("text", "admitted"),
    [
        ("light.turn_on(area.kitchen)", True),
        ('light.turn_on(floor.ground, color="red")', True),
        ("light.turn_on(area.attic)", False),
        ('light.turn_on(area.kitchen, color="mauve")', False),
        ("fan.oscillate(fan.desk, oscillating=true)", True),
        ("fan.oscillate(area.kitchen, oscillating=true)", False),
        ("fan.oscillate(fan.desk)", False),
        ('todo.add_item(todo.shopping, item="two \\"ripe\\" mangos")\nAdded.', True),
        ('todo.add_item(todo.shopping, item="")', False),
        ('assist.start_timer("5 minutes")', True),
        ('assist.start_timer("1 hour 30 minutes")\nFor the bread.', True),
        ('assist.start_timer("soon")', False),
        ("assist.cancel_timer()", True),
        ("assist.cancel_timer(light.kitchen)", False),
    ],
)
def test_home_services(compiler: ConstraintCompiler, model: Model, text: str, admitted: bool) -> None:
    """Home markup holds areas, floors, words of the user's own, durations, and calls of nothing at all."""
    for must in (True, False):
        grammar = MARKUPS["home"].grammar(Binding(HOUSE, must, parallel=True, special=lambda _: None))
        assert admits(compiler, model, grammar, text) is admitted
