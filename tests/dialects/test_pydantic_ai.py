"""Pydantic AI."""

from importlib.metadata import version
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, RunContext, ToolDefinition
from pydantic_ai.capabilities import PrepareOutputTools, PrepareTools
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from tests.dialects.conftest import Server

pytestmark = pytest.mark.client("pydantic-ai", version("pydantic-ai-slim"))

SAID = "Grüße, house."
# An answer that is the same every time, whatever the model would rather say.
SAY = ModelSettings(temperature=0, extra_body={"home_llm": {"choice": [SAID]}})
ONE_CALL = ModelSettings(temperature=0, max_tokens=80, parallel_tool_calls=False)


class Light(BaseModel):
    """The light of a room."""

    room: Literal["hall"]
    on: bool


@pytest.fixture(name="provider")
def provider_fixture(server: Server) -> OpenAIProvider:
    """Say where the server is."""
    return OpenAIProvider(base_url=f"{server.url}/v1", api_key=server.key)


@pytest.fixture(name="chat")
def chat_fixture(provider: OpenAIProvider) -> OpenAIChatModel:
    """Make a model that speaks chat completions."""
    return OpenAIChatModel("any", provider=provider)


async def test_run(chat: OpenAIChatModel) -> None:
    """An agent answers, and tells of its usage."""
    result = await Agent(chat, instructions="You are a house.", model_settings=SAY).run("Say hello.")
    assert result.output == SAID
    assert result.usage.output_tokens > 0


async def test_stream(chat: OpenAIChatModel) -> None:
    """The pieces of a streamed answer are the whole."""
    async with Agent(chat, model_settings=SAY).run_stream("Say hello.") as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == SAID


async def test_tool_and_output_type(chat: OpenAIChatModel) -> None:
    """An agent calls its tool, reads the result, and answers with a model of pydantic's."""
    lit: list[str] = []

    async def first(context: RunContext[None], tools: list[ToolDefinition]) -> list[ToolDefinition]:
        return tools if not lit else []

    async def then(context: RunContext[None], tools: list[ToolDefinition]) -> list[ToolDefinition]:
        return tools if lit else []

    # Which of two tools to call is the model's choice. So there is one at a time.
    one_at_a_time = [PrepareTools(first), PrepareOutputTools(then)]
    agent = Agent(chat, output_type=Light, model_settings=ONE_CALL, capabilities=one_at_a_time)

    @agent.tool_plain
    def turn_on(room: Literal["hall"]) -> str:
        """Turn on the light of a room."""
        lit.append(room)
        return "done"

    result = await agent.run("Turn on the light in the hall.")
    assert lit == ["hall"]
    assert result.output.room == "hall"


async def test_streamed_output_type(chat: OpenAIChatModel) -> None:
    """An output that is called like a tool is read from a stream."""
    async with Agent(chat, output_type=Light, model_settings=ONE_CALL).run_stream("Is the light on?") as result:
        assert isinstance(await result.get_output(), Light)


async def test_native_output(chat: OpenAIChatModel) -> None:
    """An output under a schema is read into a model of pydantic's."""
    result = await Agent(chat, output_type=NativeOutput(Light), model_settings=ONE_CALL).run("Is the light on?")
    assert isinstance(result.output, Light)


async def test_responses(provider: OpenAIProvider) -> None:
    """The same server is asked by OpenAI's responses."""
    model = OpenAIResponsesModel("any", provider=provider)
    result: Any = await Agent(model, model_settings=SAY).run("Say hello.")
    assert result.output == SAID


async def test_errors(chat: OpenAIChatModel) -> None:
    """What is wrong is an error with its status and the server's words."""
    with pytest.raises(ModelHTTPError, match="temperature") as error:
        await Agent(chat, model_settings=ModelSettings(temperature=-1)).run("Say hello.")
    assert error.value.status_code == 400
