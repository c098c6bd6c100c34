"""OpenAI's client for Python: an old version, the one that Home Assistant pins, and the newest."""

from pathlib import Path

import pytest

from tests.dialects.conftest import Server, client, run_python

PROGRAM = Path(__file__).with_name("openai_checks.py")
CHECKS = (
    "models",
    "chat",
    "chat_stream_with_usage",
    "stream_helper",
    "tool_call",
    "tool_call_stream",
    "parsed_tool_call",
    "structured_output",
    "choices",
    "logprobs",
    "completions",
    "embeddings",
    "responses",
    "responses_stream",
    "responses_tool_call",
    "responses_structured_output",
    "asynchronous",
    "errors",
    "rate_limit",
    "closing_a_stream",
    "timing_out",
)
VERSIONS = ("openai-old", "openai-home-assistant", "openai-newest")


@pytest.fixture(scope="module", name="ran")
def ran_fixture(request: pytest.FixtureRequest, server: Server) -> dict[str, str | None]:
    """Run the checks with one version."""
    ran = run_python(PROGRAM, request.param, server)
    assert tuple(ran) == CHECKS
    return ran


@pytest.mark.parametrize(
    "ran", [pytest.param(folder, id=folder, marks=client("openai", folder)) for folder in VERSIONS], indirect=True
)
@pytest.mark.parametrize("check", CHECKS)
def test_check(ran: dict[str, str | None], check: str) -> None:
    """The check of the program passed with this version."""
    assert ran[check] is None, ran[check]
