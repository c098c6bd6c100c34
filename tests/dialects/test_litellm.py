"""LiteLLM, which speaks to the server in three ways: as to OpenAI's, as to Ollama, and as to Anthropic's."""

from pathlib import Path

import pytest

from tests.dialects.conftest import Server, client, run_python

PROGRAM = Path(__file__).with_name("litellm_checks.py")
# Ollama's API cannot say that a tool must be called, and Anthropic's knows no vectors.
CHECKS = {
    "openai": ("chat", "stream", "structured_output", "errors", "tool_call", "embeddings"),
    "ollama_chat": ("chat", "stream", "structured_output", "errors", "chosen_tool_call"),
    "anthropic": ("chat", "stream", "structured_output", "errors", "tool_call"),
}


@pytest.fixture(scope="module", name="ran")
def ran_fixture(server: Server) -> dict[str, str | None]:
    """Run the checks in every way."""
    ran = run_python(PROGRAM, "litellm", server)
    assert list(ran) == [f"{way} {check}" for way, checks in CHECKS.items() for check in checks]
    return ran


@pytest.mark.parametrize(
    ("way", "check"),
    [
        pytest.param(way, check, marks=client("litellm", "litellm", f"litellm {way}/"))
        for way, checks in CHECKS.items()
        for check in checks
    ],
)
def test_check(ran: dict[str, str | None], way: str, check: str) -> None:
    """The check of the program passed when LiteLLM spoke in this way."""
    assert ran[f"{way} {check}"] is None, ran[f"{way} {check}"]
