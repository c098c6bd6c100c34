"""Ollama's answers."""

from typing import Final

from home_llm.api.schemas.parts import (
    INTEGER,
    MOMENT,
    NUMBER,
    TEXT,
    Schema,
    either,
    listed,
    record,
    table,
    word,
)

_HEAD: Final = {"model": TEXT, "created_at": MOMENT}
_MESSAGE: Final = {
    "message": record(
        {"role": word("assistant"), "content": TEXT},
        {
            "thinking": TEXT,
            "tool_calls": listed(
                record({"id": TEXT, "function": record({"index": INTEGER, "name": TEXT, "arguments": table({})})})
            ),
        },
    )
}
_RESPONSE: Final = {"response": TEXT}
_THINKING: Final = {"thinking": TEXT}
_COUNTS: Final = {
    "total_duration": INTEGER,
    "load_duration": INTEGER,
    "prompt_eval_count": INTEGER,
    "prompt_eval_duration": INTEGER,
    "eval_count": INTEGER,
    "eval_duration": INTEGER,
}


def _whole(said: dict[str, Schema], more: dict[str, Schema]) -> Schema:
    head = {**_HEAD, **said, "done": {"const": True}}
    ended = record({**head, "done_reason": word("stop", "length"), **_COUNTS}, more)
    return either(ended, record({**head, "done_reason": word("load", "unload")}))


def _line(said: dict[str, Schema], more: dict[str, Schema]) -> Schema:
    return either(record({**_HEAD, **said, "done": {"const": False}}, more), _whole(said, more))


CHAT: Final = _whole(_MESSAGE, {})

CHAT_LINE: Final = _line(_MESSAGE, {})

GENERATE: Final = _whole(_RESPONSE, _THINKING)

GENERATE_LINE: Final = _line(_RESPONSE, _THINKING)

VERSION: Final = record({"version": TEXT})

_DETAILS: Final = record(
    {
        "parent_model": TEXT,
        "format": word("gguf"),
        "family": TEXT,
        "families": listed(TEXT),
        "parameter_size": TEXT,
        "quantization_level": TEXT,
    }
)
_MODEL: Final = {"name": TEXT, "model": TEXT, "size": INTEGER, "digest": TEXT, "details": _DETAILS}

MODELS: Final = record({"models": listed(record({**_MODEL, "modified_at": MOMENT}))})

RUNNING: Final = record(
    {"models": listed(record({**_MODEL, "expires_at": MOMENT, "size_vram": INTEGER, "context_length": INTEGER}))}
)

MODEL: Final = record(
    {
        "license": TEXT,
        "modelfile": TEXT,
        "parameters": TEXT,
        "template": TEXT,
        "details": _DETAILS,
        "model_info": table({}),
        "capabilities": listed(TEXT),
        "modified_at": MOMENT,
    }
)

EMBED: Final = record(
    {
        "model": TEXT,
        "embeddings": listed(listed(NUMBER)),
        "total_duration": INTEGER,
        "load_duration": INTEGER,
        "prompt_eval_count": INTEGER,
    }
)

EMBEDDINGS: Final = record({"embedding": listed(NUMBER)})

PULLED: Final = record({"status": word("success")})

# A download can fail at any time: the hub may be out of reach.
PULL_LINE: Final = either(
    record({"status": TEXT}, {"digest": TEXT, "total": INTEGER, "completed": INTEGER}), record({"error": TEXT})
)
