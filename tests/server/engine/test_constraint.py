"""Constraints on a real vocabulary."""

import json
import re

import pytest

from home_llm.engine import (
    Constraint,
    ConstraintError,
    ConstraintKind,
    Done,
    Engine,
    EngineOptions,
    FinishReason,
    GenerationRequest,
    as_rule,
    relocated,
)
from home_llm.llama import Model, SamplingParameters

SCHEMA = {
    "type": "object",
    "properties": {"room": {"enum": ["kitchen", "hall"]}, "on": {"type": "boolean"}},
    "required": ["room", "on"],
    "additionalProperties": False,
}
WILD = SamplingParameters(temperature=1.5, seed=7)


def generate(engine: Engine, model: Model, constraint: Constraint, sampling: SamplingParameters = WILD) -> str:
    """Return what the model says under a constraint, at a temperature at which it babbles."""
    prompt = tuple(model.tokenize("<|im_start|>user\nTurn on the light<|im_end|>\n<|im_start|>assistant\n"))
    generation = engine.submit(
        GenerationRequest(prompt=prompt, max_tokens=80, sampling=sampling, constraint=constraint)
    )
    return "".join(getattr(event, "text", "") for event in generation.events())


@pytest.mark.parametrize("seed", range(3))
def test_json_schema(engine: Engine, model: Model, seed: int) -> None:
    """Whatever the seed, the answer is valid under the schema."""
    sampling = SamplingParameters(temperature=2.0, seed=seed)
    answer = generate(engine, model, Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(SCHEMA)), sampling)
    value = json.loads(answer)
    assert set(value) == {"room", "on"}
    assert value["room"] in {"kitchen", "hall"}


def test_gbnf(engine: Engine, model: Model) -> None:
    """A GBNF grammar is obeyed."""
    answer = generate(engine, model, Constraint(ConstraintKind.GBNF, 'root ::= "turn " state\nstate ::= "on" | "off"'))
    assert answer in {"turn on", "turn off"}


def test_regex(engine: Engine, model: Model) -> None:
    """A regular expression is obeyed."""
    assert re.fullmatch(
        r"[0-9]{3}-[a-f]{2}", generate(engine, model, Constraint(ConstraintKind.REGEX, "[0-9]{3}-[a-f]{2}"))
    )


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (ConstraintKind.GBNF, "root ::= unknown"),
        (ConstraintKind.GBNF, 'root ::= "unclosed'),
        (ConstraintKind.REGEX, "(unclosed"),
        (ConstraintKind.JSON_SCHEMA, '{"type": "nonsense"}'),
        (ConstraintKind.JSON_SCHEMA, "not json"),
        (ConstraintKind.LARK, "start: undefined_rule"),
        (ConstraintKind.CHOICE, "red, blue"),
        (ConstraintKind.CHOICE, "[]"),
        (ConstraintKind.CHOICE, "[1]"),
        (ConstraintKind.JSON_SCHEMA, "[]"),
        (ConstraintKind.JSON_SCHEMA, '{"pattern": "(", "type": "string"}'),
        (ConstraintKind.JSON_SCHEMA, '{"$ref": "#/$defs/nothing"}'),
        # What can be read, and matched by no text.
        (ConstraintKind.JSON_SCHEMA, "false"),
        (ConstraintKind.JSON_SCHEMA, '{"enum": []}'),
        (ConstraintKind.JSON_SCHEMA, '{"allOf": [{"type": "string"}, {"type": "integer"}]}'),
        (ConstraintKind.JSON_SCHEMA, '{"$ref": "#"}'),
        (ConstraintKind.REGEX, r"[^\s\S]"),
        (ConstraintKind.GBNF, "root ::= root"),
        (ConstraintKind.GBNF, "root ::= " + "(" * 3000 + '"a"' + ")" * 3000),
    ],
)
def test_what_cannot_be_compiled(engine: Engine, kind: ConstraintKind, source: str) -> None:
    """A constraint that cannot be compiled, or that nothing matches, is refused when it is submitted, with a reason."""
    with pytest.raises(ConstraintError, match=r"\w+"):
        engine.submit(GenerationRequest(prompt=(1, 2), constraint=Constraint(kind, source)))


def test_choice(engine: Engine, model: Model) -> None:
    """One of the texts is written, whole, also where one begins another or holds what is special elsewhere."""
    for texts in (["on", "only"], ['say "no"', "a\\b"], ["Küche", "Küchenlicht\nan"], ["one"]):
        assert generate(engine, model, Constraint(ConstraintKind.CHOICE, json.dumps(texts))) in texts


@pytest.mark.parametrize("expression", ["^[ab]{3}$", "[ab]{3}", "(a|b)(a|b)(a|b)"])
def test_anchors(engine: Engine, model: Model, expression: str) -> None:
    """An expression matches the whole answer, and may say so."""
    assert re.fullmatch("[ab]{3}", generate(engine, model, Constraint(ConstraintKind.REGEX, expression)))


# A schema, and what is valid under it and under what it is loosened to.
LOOSE = [
    {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "maxItems": 3},
    {"not": {"type": "string"}, "type": "integer", "maximum": 9},
    {"type": "object", "properties": {"a": {"type": "boolean"}}, "dependentSchemas": {"a": {"required": ["b"]}}},
    {"$dynamicAnchor": "node", "type": "object", "properties": {"next": {"$dynamicRef": "#node"}}, "maxProperties": 1},
    {"type": "string", "pattern": r"^(?=.*\d)[a-z0-9]{1,5}$", "maxLength": 5},
    {"type": "string", "pattern": r"\bwarm\b", "maxLength": 9},
    {"type": "object", "patternProperties": {"^(?!x)": {"type": "integer"}}, "maxProperties": 1},
    {"$ref": "https://example.com/schema.json", "type": "boolean"},
    {"type": "string", "format": "shoe-size", "maxLength": 3},
    {"if": {"type": "integer"}, "then": {"minimum": 5}, "type": "integer", "maximum": 9},
    {"type": "string", "maxLength": 1_000_000_000},
    {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}},
]


@pytest.mark.parametrize("schema", LOOSE)
def test_what_cannot_be_enforced_loosens(engine: Engine, model: Model, schema: dict[str, object]) -> None:
    """A keyword that cannot be enforced does not fail the request: the answer is JSON, as far as the limit lets it."""
    prompt = tuple(model.tokenize("<|im_start|>user\nOne.<|im_end|>\n<|im_start|>assistant\n"))
    constraint = Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(schema))
    *chunks, done = engine.submit(
        GenerationRequest(prompt, max_tokens=60, sampling=WILD, constraint=constraint)
    ).events()
    answer = "".join(getattr(chunk, "text", "") for chunk in chunks)
    assert isinstance(done, Done)
    if done.reason is FinishReason.STOP:
        value = json.loads(answer)
        kinds = {"array": list, "object": dict, "string": str, "integer": int, "boolean": bool}
        assert isinstance(value, kinds[str(schema.get("type", "object"))])
    else:
        assert done.timings.predicted_n == 60
        assert answer[0] in '{["'


def test_one_warning(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """What a schema is loosened by is logged once, however often it is asked for."""
    schema = {"type": "object", "properties": {"size": {"pattern": "(?!7)", "type": "string"}, "x": {"not": {}}}}
    for _ in range(3):
        constraint = Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(schema))
        engine.submit(GenerationRequest((1, 2), max_tokens=1, constraint=constraint))
    messages = [record.getMessage() for record in caplog.records if "looser" in record.getMessage()]
    assert len(messages) == 2
    assert "(?!7)" in messages[0]
    assert "not" in messages[1]


@pytest.mark.parametrize(
    ("grammar", "text"),
    [('root ::= "a" b\nb ::= b', "a"), ('root ::= "ab" | "ac" d\nd ::= "d" d e\ne ::= e', None)],
)
def test_dead_ends(model: Model, grammar: str, text: str | None) -> None:
    """A grammar that leads nowhere ends its own answer as cut short, and the one beside it goes on as it would."""
    engine = Engine(model, EngineOptions(n_ctx=512, speculate=False))
    try:
        prompt = tuple(model.tokenize("One, two, three,"))
        beside = GenerationRequest(prompt, max_tokens=40, sampling=SamplingParameters(temperature=0), ignore_end=True)
        stuck = GenerationRequest(
            (1, 2),
            max_tokens=30,
            sampling=SamplingParameters(temperature=0, logit_bias={model.tokenize("ac")[0]: 50.0}),
            constraint=Constraint(ConstraintKind.GBNF, grammar),
        )
        running = engine.submit(beside)
        assert running.next_event(timeout=10) is not None
        for _ in range(3):
            *chunks, done = engine.submit(stuck).events()
            assert isinstance(done, Done)
            assert done.reason is FinishReason.LENGTH
            if text is not None:
                assert "".join(getattr(chunk, "text", "") for chunk in chunks) == text
        *_, done = running.events()
        assert isinstance(done, Done)
        assert done.reason is FinishReason.LENGTH
        assert done.timings.predicted_n == 40
    finally:
        engine.close()


def test_rules(engine: Engine, model: Model) -> None:
    """A schema, an expression and a choice can be a part of a larger grammar; grammars of their own rules cannot."""
    for kind, source, expected in (
        (ConstraintKind.JSON_SCHEMA, '{"enum": [1, "a/b"]}', '(1|"a/b")'),
        (ConstraintKind.REGEX, r"^a/b\/c[0-9]$", "a/b/c[0-9]"),
        (ConstraintKind.CHOICE, '["a/b", "c"]', "a/b|c"),
    ):
        lark = f'start: "<" answer ">"\nanswer: {as_rule(Constraint(kind, source))}'
        assert re.fullmatch(f"<({expected})>", generate(engine, model, Constraint(ConstraintKind.LARK, lark)))
    assert as_rule(Constraint(ConstraintKind.GBNF, 'root ::= "a"')) is None


def test_relocated_references(engine: Engine, model: Model) -> None:
    """A schema that refers to itself means the same inside another one."""
    node = {
        "$defs": {"on": {"const": "on"}},
        "type": "object",
        "properties": {"state": {"$ref": "#/$defs/on"}, "enum": {"enum": [{"$ref": "#/$defs/on"}]}},
        "required": ["state", "enum"],
        "additionalProperties": False,
    }
    outer = {
        "type": "object",
        "properties": {"inner": relocated(node, "/properties/inner")},
        "required": ["inner"],
        "additionalProperties": False,
    }
    answer = generate(engine, model, Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(outer)))
    assert json.loads(answer) == {"inner": {"state": "on", "enum": {"$ref": "#/$defs/on"}}}
