"""Anthropic's answers."""

from typing import Final

from home_llm.api.schemas.parts import INTEGER, TEXT, either, listed, nullable, record, table, word

_USAGE: Final = record(
    {
        "input_tokens": INTEGER,
        "cache_creation_input_tokens": INTEGER,
        "cache_read_input_tokens": INTEGER,
        "output_tokens": INTEGER,
    }
)
_BLOCK: Final = either(
    record({"type": word("text"), "text": TEXT}),
    record({"type": word("thinking"), "thinking": TEXT, "signature": TEXT}),
    record({"type": word("tool_use"), "id": TEXT, "name": TEXT, "input": table({})}),
)
_STOP: Final = {
    "stop_reason": nullable(word("end_turn", "max_tokens", "stop_sequence", "tool_use")),
    "stop_sequence": nullable(TEXT),
}

MESSAGE: Final = record(
    {
        "id": TEXT,
        "type": word("message"),
        "role": word("assistant"),
        "model": TEXT,
        "content": listed(_BLOCK),
        **_STOP,
        "usage": _USAGE,
    }
)

_DELTA: Final = either(
    record({"type": word("text_delta"), "text": TEXT}),
    record({"type": word("thinking_delta"), "thinking": TEXT}),
    record({"type": word("input_json_delta"), "partial_json": TEXT}),
)

EVENT: Final = either(
    record({"type": word("ping", "message_stop")}),
    record({"type": word("message_start"), "message": MESSAGE}),
    record({"type": word("content_block_start"), "index": INTEGER, "content_block": _BLOCK}),
    record({"type": word("content_block_delta"), "index": INTEGER, "delta": _DELTA}),
    record({"type": word("content_block_stop"), "index": INTEGER}),
    record({"type": word("message_delta"), "delta": record(_STOP), "usage": _USAGE}),
)

COUNT: Final = record({"input_tokens": INTEGER})
