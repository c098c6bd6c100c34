"""LangChain with `langchain-openai`."""

from importlib.metadata import version
from typing import Any, Literal

import openai
import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

from tests.dialects.conftest import Server

pytestmark = pytest.mark.client("langchain-openai", version("langchain-openai"))

SAID = "Grüße, house."
# An answer that is the same every time, whatever the model would rather say.
SAY: Any = {"extra_body": {"home_llm": {"choice": [SAID]}}}


class Light(BaseModel):
    """The light of a room."""

    room: Literal["hall"]
    on: bool


@tool
def turn_on(room: Literal["hall"]) -> str:
    """Turn on the light of a room."""
    return f"{room} is on"


@pytest.fixture(name="chat")
def chat_fixture(server: Server) -> ChatOpenAI:
    """Make a chat model that tries once."""
    return ChatOpenAI(
        model="any",
        base_url=f"{server.url}/v1",
        api_key=SecretStr(server.key),
        temperature=0,
        max_retries=0,
        timeout=60,
    )


def test_invoke(chat: ChatOpenAI) -> None:
    """An answer is a message with its usage."""
    answer = chat.invoke("Say hello.", **SAY)
    assert answer.content == SAID
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


def test_stream(chat: ChatOpenAI) -> None:
    """The pieces of a stream add up to the answer and its usage."""
    whole: Any = None
    for piece in chat.stream("Say hello.", stream_usage=True, **SAY):
        whole = piece if whole is None else whole + piece
    assert isinstance(whole, AIMessageChunk)
    assert whole.content == SAID
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] > 0


async def test_asynchronous(chat: ChatOpenAI) -> None:
    """Several prompts are answered at once."""
    answers = await chat.abatch(["Say hello.", "Good morning."], **SAY)
    assert [answer.content for answer in answers] == [SAID, SAID]


def test_bind_tools(chat: ChatOpenAI) -> None:
    """A tool that must be called is, and the call and its result are taken back."""
    bound = chat.bind_tools([turn_on], tool_choice="turn_on", parallel_tool_calls=False)
    question = HumanMessage("Turn on the light.")
    answer = bound.invoke([question])
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("turn_on", {"room": "hall"})
    result = turn_on.invoke(call)
    assert isinstance(result, ToolMessage)
    assert chat.bind_tools([turn_on]).invoke([question, answer, result], max_tokens=4).type == "ai"


def test_tools_stream(chat: ChatOpenAI) -> None:
    """The pieces of a streamed call add up to it."""
    bound = chat.bind_tools([turn_on], tool_choice="any", parallel_tool_calls=False)
    whole: Any = None
    for piece in bound.stream("Turn on the light."):
        whole = piece if whole is None else whole + piece
    (call,) = whole.tool_calls
    assert call["args"] == {"room": "hall"}


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_with_structured_output(chat: ChatOpenAI, method: Any) -> None:
    """An answer is read into a model of pydantic's, by a schema or by a call."""
    assert isinstance(chat.with_structured_output(Light, method=method).invoke("Is the light on?"), Light)


def test_responses(chat: ChatOpenAI) -> None:
    """The same model speaks OpenAI's responses."""
    answer = chat.model_copy(update={"use_responses_api": True}).invoke("Say hello.", **SAY)
    assert answer.text == SAID


def test_embeddings(server: Server) -> None:
    """Vectors are made of several texts."""
    # Left to itself it counts tokens with OpenAI's own tokenizer, which it would have to download.
    embeddings = OpenAIEmbeddings(
        model="any", base_url=f"{server.url}/v1", api_key=SecretStr(server.key), check_embedding_ctx_length=False
    )
    one, other = embeddings.embed_documents(["the hall light", "the kitchen light"])
    assert len(one) == len(other) > 100


def test_errors(chat: ChatOpenAI) -> None:
    """What is wrong is the exception of OpenAI's SDK."""
    with pytest.raises(openai.BadRequestError, match="temperature"):
        chat.invoke("Say hello.", temperature=-1)
