"""Clients for JavaScript, on Node.js: OpenAI's, Ollama's and Anthropic's."""

import json
from pathlib import Path

import pytest

from tests.dialects.conftest import CLIENTS, Server, run_program

MODULES = CLIENTS / "javascript" / "node_modules"
FOLDER = Path(__file__).with_name("javascript")
CHECKS = {
    "openai": (
        "models",
        "chat",
        "chat_stream_with_usage",
        "stream_helper",
        "tool_call",
        "tool_call_stream",
        "structured_output",
        "choices",
        "logprobs",
        "completions",
        "embeddings",
        "responses",
        "responses_stream",
        "errors",
        "rate_limit",
        "closing_a_stream",
        "timing_out",
    ),
    "ollama": ("list", "chat", "stream", "generate", "embed", "errors", "closing_a_stream"),
    "anthropic": (
        "models",
        "messages",
        "stream",
        "tools",
        "tools_stream",
        "count_tokens",
        "errors",
        "closing_a_stream",
    ),
}
PACKAGES = {"openai": "openai", "ollama": "ollama", "anthropic": "@anthropic-ai/sdk"}


def mark(client: str) -> pytest.MarkDecorator:
    """Return the mark of checks of a client."""
    package = json.loads((MODULES / PACKAGES[client] / "package.json").read_text())
    return pytest.mark.client(f"{client} (JavaScript)", package["version"])


@pytest.fixture(scope="module", name="ran")
def ran_fixture(request: pytest.FixtureRequest, server: Server) -> dict[str, str | None]:
    """Run the checks of a client."""
    ran = run_program(["node", FOLDER / f"{request.param}_checks.cjs"], server, NODE_PATH=str(MODULES))
    assert tuple(ran) == CHECKS[request.param]
    return ran


@pytest.mark.parametrize(
    ("ran", "check"),
    [pytest.param(client, check, marks=mark(client)) for client, checks in CHECKS.items() for check in checks],
    indirect=["ran"],
)
def test_check(ran: dict[str, str | None], check: str) -> None:
    """The check of the program passed."""
    assert ran[check] is None, ran[check]
