"""llama-server's answers."""

from typing import Final

from home_llm.api.schemas.parts import (
    FLAG,
    INTEGER,
    NATIVE_LOGPROBS,
    NUMBER,
    PROGRESS,
    SAMPLED_PROBABILITIES,
    TEXT,
    TIMINGS,
    either,
    listed,
    nullable,
    record,
    table,
    word,
)

_SAID: Final = {"index": INTEGER, "content": TEXT, "tokens": listed(INTEGER), "id_slot": INTEGER}
_PROBABILITIES: Final = {"completion_probabilities": either(NATIVE_LOGPROBS, SAMPLED_PROBABILITIES)}

_END: Final = {
    **_SAID,
    "stop": {"const": True},
    "model": TEXT,
    "tokens_predicted": INTEGER,
    "tokens_evaluated": INTEGER,
    "tokens_cached": INTEGER,
    "generation_settings": table({}),
    "prompt": TEXT,
    "has_new_line": FLAG,
    "truncated": FLAG,
    "stop_type": word("eos", "word", "limit", "none"),
    "stopping_word": TEXT,
    "timings": TIMINGS,
}
_WHOLE: Final = record(_END, _PROBABILITIES)

# `response_fields` may leave any of it out.
_CHOSEN: Final = record({}, {**_END, **_PROBABILITIES})

COMPLETION: Final = either(_CHOSEN, listed(_CHOSEN))

_PIECE: Final = record(
    {**_SAID, "stop": {"const": False}}, {**_PROBABILITIES, "timings": TIMINGS, "prompt_progress": PROGRESS}
)

COMPLETION_CHUNK: Final = either(_PIECE, _WHOLE)

TOKENS: Final = record(
    {"tokens": listed(either(INTEGER, record({"id": INTEGER, "piece": either(TEXT, listed(INTEGER))})))}
)

CONTENT: Final = record({"content": TEXT})

PROMPT: Final = record({"prompt": TEXT})

EMBEDDINGS: Final = listed(record({"index": INTEGER, "embedding": listed(listed(NUMBER))}))

_TEI: Final = record({"index": INTEGER, "score": NUMBER}, {"text": TEXT})
_JINA: Final = record({"index": INTEGER, "relevance_score": NUMBER}, {"document": record({"text": TEXT})})

RANKS: Final = either(
    record(
        {
            "object": {"const": "list"},
            "model": TEXT,
            "usage": record({"prompt_tokens": INTEGER, "total_tokens": INTEGER}),
            "results": listed(_JINA),
        }
    ),
    listed(_TEI),
)

# Each is what its route answers.
PREDICTIONS: Final = record({"predictions": listed({})})

SLOT_DONE: Final = either(
    record({"id_slot": INTEGER, "n_erased": INTEGER}),
    record(
        {
            "id_slot": INTEGER,
            "filename": TEXT,
            "n_saved": INTEGER,
            "n_written": INTEGER,
            "timings": record({"save_ms": NUMBER}),
        }
    ),
    record(
        {
            "id_slot": INTEGER,
            "filename": TEXT,
            "n_restored": INTEGER,
            "n_read": INTEGER,
            "timings": record({"restore_ms": NUMBER}),
        }
    ),
)

PROPS: Final = record(
    {
        "total_slots": INTEGER,
        "places": INTEGER,
        "model_alias": nullable(TEXT),
        "modalities": record({"vision": FLAG, "audio": FLAG}),
        "build_info": TEXT,
        "is_sleeping": FLAG,
    },
    {
        "default_generation_settings": record({"id": INTEGER, "n_ctx": INTEGER, "params": table({})}),
        "model_path": TEXT,
        "chat_template": TEXT,
        "bos_token": TEXT,
        "eos_token": TEXT,
    },
)

SLOTS: Final = listed(record({"id": INTEGER, "n_ctx": INTEGER, "speculative": FLAG, "is_processing": FLAG}))

ADAPTERS: Final = listed(
    record({"id": INTEGER, "path": TEXT, "scale": NUMBER, "task_name": TEXT, "prompt_prefix": TEXT})
)

DONE: Final = record({"success": {"const": True}})
