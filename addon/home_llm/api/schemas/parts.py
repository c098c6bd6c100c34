"""What the schemas are made of, and what several dialects have in common."""

from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
INTEGER: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
FLAG: Final[Schema] = {"type": "boolean"}
NOTHING: Final[Schema] = {"type": "null"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object: what it always has, and what it may have beside that."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": [*required]}


def listed(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def table(value: Schema) -> Schema:
    """Return the schema of an object with any keys."""
    return {"type": "object", "additionalProperties": value}


def either(*schemas: Schema) -> Schema:
    """Return what fits one of several schemas."""
    return {"anyOf": [*schemas]}


def nullable(schema: Schema) -> Schema:
    """Return what fits a schema, or is null."""
    return either(schema, NOTHING)


def word(*words: str) -> Schema:
    """Return one of several words."""
    return {"const": words[0]} if len(words) == 1 else {"enum": [*words]}


USAGE: Final = record(
    {
        "prompt_tokens": INTEGER,
        "completion_tokens": INTEGER,
        "total_tokens": INTEGER,
        "prompt_tokens_details": record({"cached_tokens": INTEGER}),
    }
)

TIMINGS: Final = record(
    {
        "cache_n": INTEGER,
        "prompt_n": INTEGER,
        "prompt_ms": NUMBER,
        "prompt_per_token_ms": NUMBER,
        "prompt_per_second": NUMBER,
        "predicted_n": INTEGER,
        "predicted_ms": NUMBER,
        "predicted_per_token_ms": NUMBER,
        "predicted_per_second": NUMBER,
        "queue_ms": NUMBER,
        "forced_n": INTEGER,
    }
)

PROGRESS: Final = record({"total": INTEGER, "cache": INTEGER, "processed": INTEGER, "time_ms": NUMBER})

_TOKEN: Final = {"token": TEXT, "logprob": NUMBER, "bytes": listed(INTEGER)}

LOGPROBS: Final = listed(record({**_TOKEN, "top_logprobs": listed(record(_TOKEN))}))

_CHANCE: Final = {"id": INTEGER, "token": TEXT, "bytes": listed(INTEGER), "prob": NUMBER}

SAMPLED_PROBABILITIES: Final = listed(record({**_CHANCE, "top_probs": listed(record(_CHANCE))}))

NATIVE_LOGPROBS: Final = listed(
    record({"id": INTEGER, **_TOKEN, "top_logprobs": listed(record({"id": INTEGER, **_TOKEN}))})
)
