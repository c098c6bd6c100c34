"""text-generation-webui's answers."""

from typing import Final

from home_llm.api.schemas.parts import FLAG, INTEGER, NUMBER, TEXT, either, listed, record, table, word

OK: Final = word("OK")

HEALTH: Final = record({"status": word("ok")})

MODEL_INFO: Final = record({"model_name": TEXT, "lora_names": listed(TEXT), "loader": TEXT})

MODEL_NAMES: Final = record({"model_names": listed(TEXT)})

LORA_NAMES: Final = record({"lora_names": listed(TEXT)})

TOKENS: Final = record({"tokens": listed(INTEGER), "length": INTEGER})

PLAIN: Final = record({"text": TEXT})

LENGTH: Final = record({"length": INTEGER})

PROMPT: Final = record({"prompt": TEXT})

PROBABILITIES: Final = table(NUMBER)

MODERATIONS: Final = record(
    {
        "id": TEXT,
        "model": TEXT,
        "results": listed(record({"flagged": FLAG, "categories": table(FLAG), "category_scores": table(NUMBER)})),
    }
)

BILL: Final = record({"total_usage": NUMBER})

RESULTS: Final = record({"results": listed(PLAIN)})

_EXCHANGES: Final = listed(listed(TEXT))

HISTORIES: Final = record(
    {"results": listed(record({"history": record({"internal": _EXCHANGES, "visible": _EXCHANGES})}))}
)

COUNTS: Final = record({"results": listed(record({"tokens": INTEGER}))})

SUCCESS: Final = record({"results": word("success")})

RESULT: Final = record({"result": either(TEXT, listed(TEXT))})
