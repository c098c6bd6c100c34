"""text-generation-webui's answers."""

from typing import Final

from home_llm.api.schemas.parts import INTEGER, NUMBER, TEXT, listed, record, table, word

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
