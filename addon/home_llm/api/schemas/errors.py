"""Errors, as each dialect writes them."""

from typing import Final

from home_llm.api.schemas.parts import INTEGER, TEXT, either, nullable, record, word

_FACTS: Final = record(
    {"message": TEXT, "type": TEXT},
    {"param": nullable(TEXT), "code": either(INTEGER, TEXT), "n_prompt_tokens": INTEGER, "n_ctx": INTEGER},
)

OPENAI: Final = {"description": "What went wrong, and what to do about it.", **record({"error": _FACTS})}

WEBUI: Final = {
    "description": "What went wrong, for text-generation-webui's clients and for OpenAI's.",
    **record({"detail": TEXT, "error": _FACTS}),
}

OLLAMA: Final = {"description": "What went wrong, as Ollama says it.", **record({"error": TEXT})}

ANTHROPIC: Final = {
    "description": "What went wrong, as Anthropic says it.",
    **record({"type": word("error"), "error": record({"type": TEXT, "message": TEXT})}),
}
