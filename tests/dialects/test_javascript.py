"""OpenAI's client for JavaScript, on Node.js."""

import json
from pathlib import Path

import pytest

from tests.dialects.conftest import CLIENTS, Server, run_program

MODULES = CLIENTS / "javascript" / "node_modules"
PROGRAM = Path(__file__).with_name("javascript") / "openai_checks.cjs"
VERSION = json.loads((MODULES / "openai" / "package.json").read_text())["version"]

pytestmark = pytest.mark.client("openai (JavaScript)", VERSION)

CHECKS = (
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
)


@pytest.fixture(scope="module", name="ran")
def ran_fixture(server: Server) -> dict[str, str | None]:
    """Run the checks."""
    ran = run_program(["node", PROGRAM], server, NODE_PATH=str(MODULES))
    assert tuple(ran) == CHECKS
    return ran


@pytest.mark.parametrize("check", CHECKS)
def test_check(ran: dict[str, str | None], check: str) -> None:
    """The check of the program passed."""
    assert ran[check] is None, ran[check]
