"""OpenAI's answers, and this server's own."""

from typing import Final

from home_llm.api.schemas.parts import (
    FLAG,
    INTEGER,
    LOGPROBS,
    MOMENT,
    NOTHING,
    NUMBER,
    PROGRESS,
    TEXT,
    TIMINGS,
    USAGE,
    Schema,
    either,
    listed,
    nullable,
    record,
    table,
    word,
)

_HEAD: Final = {"id": TEXT, "created": INTEGER, "model": TEXT, "system_fingerprint": NOTHING}
_FUNCTION: Final = record({"name": TEXT, "arguments": TEXT})
_CALL: Final = {"id": TEXT, "type": word("function"), "function": _FUNCTION}
_REASON: Final = word("stop", "length", "tool_calls", "function_call")
_CHAT_LOGPROBS: Final = nullable(record({"content": LOGPROBS, "refusal": NOTHING}))

CHAT: Final = record(
    {
        **_HEAD,
        "object": word("chat.completion"),
        "choices": listed(
            record(
                {
                    "index": INTEGER,
                    "message": record(
                        {"role": word("assistant"), "content": nullable(TEXT), "refusal": NOTHING},
                        {
                            "reasoning_content": TEXT,
                            "tool_calls": listed(record(_CALL)),
                            "function_call": _FUNCTION,
                        },
                    ),
                    "text": TEXT,
                    "finish_reason": _REASON,
                    "logprobs": _CHAT_LOGPROBS,
                }
            )
        ),
        "usage": USAGE,
        "timings": TIMINGS,
    }
)

CHAT_CHUNK: Final = record(
    {
        **_HEAD,
        "object": word("chat.completion.chunk"),
        "choices": listed(
            record(
                {
                    "index": INTEGER,
                    "delta": record(
                        {},
                        {
                            "role": word("assistant"),
                            "content": nullable(TEXT),
                            "reasoning_content": TEXT,
                            "tool_calls": listed(record({"index": INTEGER, **_CALL})),
                            "function_call": _FUNCTION,
                        },
                    ),
                    "finish_reason": nullable(_REASON),
                    "logprobs": _CHAT_LOGPROBS,
                }
            )
        ),
    },
    {"usage": USAGE, "timings": TIMINGS, "prompt_progress": PROGRESS},
)

_TABLES: Final = nullable(listed(table(NUMBER)))
_COMPLETION_LOGPROBS: Final = nullable(
    record(
        {
            "tokens": listed(TEXT),
            "token_logprobs": listed(NUMBER),
            "top_logprobs": _TABLES,
            "top_logprobs_ids": _TABLES,
            "text_offset": listed(INTEGER),
        }
    )
)


def _completion(reason: Schema) -> dict[str, Schema]:
    choice = {"index": INTEGER, "text": TEXT, "finish_reason": reason, "logprobs": _COMPLETION_LOGPROBS}
    return {**_HEAD, "object": word("text_completion"), "choices": listed(record(choice))}


_END: Final = word("stop", "length")

COMPLETION: Final = record({**_completion(_END), "usage": USAGE, "timings": TIMINGS})

COMPLETION_CHUNK: Final = record(
    _completion(nullable(_END)), {"usage": USAGE, "timings": TIMINGS, "prompt_progress": PROGRESS}
)

MODEL: Final = record(
    {"id": TEXT, "object": word("model"), "created": INTEGER, "owned_by": word("home-llm")},
    {
        "status": record({"value": word("loaded", "loading", "unloaded")}),
        "aliases": listed(TEXT),
        "tags": listed(TEXT),
        "meta": record(
            {
                "n_ctx": INTEGER,
                "n_ctx_reason": TEXT,
                "n_ctx_train": INTEGER,
                "n_params": INTEGER,
                "n_vocab": INTEGER,
                "size": INTEGER,
                "description": TEXT,
            }
        ),
        "type": word("model"),
        "display_name": TEXT,
        "created_at": MOMENT,
    },
)

MODELS: Final = record(
    {"object": word("list"), "data": listed(MODEL)},
    {"has_more": FLAG, "first_id": nullable(TEXT), "last_id": nullable(TEXT)},
)

EMBEDDINGS: Final = record(
    {
        "object": word("list"),
        "data": listed(
            record({"object": word("embedding"), "index": INTEGER, "embedding": either(listed(NUMBER), TEXT)})
        ),
        "model": TEXT,
        "usage": record({"prompt_tokens": INTEGER, "total_tokens": INTEGER}),
    }
)

RESPONSE: Final = record(
    {
        "id": TEXT,
        "object": word("response"),
        "created_at": INTEGER,
        "model": TEXT,
        "status": word("completed", "incomplete", "in_progress"),
        "error": NOTHING,
        "incomplete_details": nullable(record({"reason": TEXT})),
        "output": listed(record({"id": TEXT, "type": word("message", "function_call", "reasoning"), "status": TEXT})),
        "usage": nullable(
            record(
                {
                    "input_tokens": INTEGER,
                    "input_tokens_details": record({"cached_tokens": INTEGER}),
                    "output_tokens": INTEGER,
                    "output_tokens_details": record({"reasoning_tokens": INTEGER}),
                    "total_tokens": INTEGER,
                }
            )
        ),
        "tools": listed(record({"type": word("function"), "name": TEXT})),
        "store": FLAG,
    },
    {"timings": TIMINGS},
)

RESPONSE_EVENT: Final = record(
    {"type": {"type": "string", "pattern": r"^response\."}, "sequence_number": INTEGER},
    {"response": RESPONSE, "timings": TIMINGS, "prompt_progress": PROGRESS},
)

WARM: Final = record({"object": word("warm"), "model": TEXT, "usage": USAGE, "timings": TIMINGS})

HEALTH: Final = record(
    {
        "status": word("ok", "downloading", "loading", "error", "unloaded"),
        "model": nullable(TEXT),
        "message": TEXT,
        "download": nullable(
            record({"file": TEXT, "done": INTEGER, "total": nullable(INTEGER), "percent": nullable(NUMBER)})
        ),
        "version": TEXT,
    }
)

INDEX: Final = record({"name": TEXT, "version": TEXT, "health": TEXT, "models": TEXT, "docs": TEXT})

DOCUMENT: Final = record({"openapi": TEXT, "info": record({"title": TEXT, "version": TEXT}), "paths": table({})})
