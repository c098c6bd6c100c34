"""Constraints on a real vocabulary."""

import json
import re

import pytest

from home_llm.engine import Constraint, ConstraintError, ConstraintKind, Engine, GenerationRequest
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
    ],
)
def test_what_cannot_be_compiled(engine: Engine, kind: ConstraintKind, source: str) -> None:
    """A constraint that cannot be compiled is refused when it is submitted, with a reason."""
    with pytest.raises(ConstraintError, match=r"\w+"):
        engine.submit(GenerationRequest(prompt=(1, 2), constraint=Constraint(kind, source)))


def test_unsupported_schema_keywords_loosen(engine: Engine, model: Model) -> None:
    """A keyword that cannot be enforced does not fail the request."""
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "maxItems": 3}
    answer = generate(engine, model, Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(schema)))
    assert isinstance(json.loads(answer), list)
