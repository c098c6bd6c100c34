"""Turn the events of a streamed answer into the deltas that Home Assistant's chat log takes."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence

from homeassistant.components import conversation
from homeassistant.helpers.json import json_dumps

from .assist import repair_arguments
from .chat_events import ChatEvent, ReasoningDelta, TextDelta, ToolCall
from .const import LOGGER
from .repair import tool_input
from .runaway import Runaway


async def assist_deltas(
    events: AsyncIterator[ChatEvent], inbound: Callable[[str], str], chat_log: conversation.ChatLog
) -> AsyncGenerator[conversation.AssistantContentDeltaDict]:
    """Yield one message: text, thinking and calls as they come, until the model only repeats itself."""
    yield {"role": "assistant"}
    runaway = Runaway()
    async for event in events:
        match event:
            case TextDelta(text):
                yield {"content": text}
                if runaway.says(text):
                    _log_runaway()
                    return
            case ReasoningDelta(text):
                yield {"thinking_content": text}
            case ToolCall() as made:
                if runaway.calls():
                    _log_runaway()
                    return
                call = tool_input(chat_log.llm_api, made, inbound(made.name), repair_arguments(made.arguments))
                if call is not None:
                    yield {"tool_calls": [call]}


async def calls_first(events: AsyncIterator[ChatEvent]) -> AsyncGenerator[ChatEvent]:
    """Pass an answer on with its words last: the older Home models say that they have done it, and then do it."""
    said: list[TextDelta] = []
    async for event in events:
        if isinstance(event, TextDelta):
            said.append(event)
        else:
            yield event
    for event in said:
        yield event


async def home_deltas(
    events: AsyncIterator[ChatEvent], chat_log: conversation.ChatLog, done: str
) -> AsyncGenerator[conversation.AssistantContentDeltaDict]:
    """Yield the calls first, and the sentence in a message of its own once they have succeeded.

    Beginning a new message makes the chat log wait for the calls of the one before. If one of them failed, the
    sentence, which claims that it worked, is dropped: the tool results stay unanswered, and the model gets another
    round. In that round only a call counts: what a small model says about an error is as likely to be a claim of
    success, and the error itself says it better. A model that acts without a word gets the words done.
    """
    retrying = any_failed(chat_log.content)
    yield {"role": "assistant"}
    made: set[tuple[str, str]] = set()
    pending = False
    runaway = Runaway()
    async for event in events:
        match event:
            case ReasoningDelta(text):
                yield {"thinking_content": text}
            case ToolCall(_, name, arguments) as new if (signature := (name, json_dumps(arguments))) not in made:
                # A small model that has lost its thread repeats itself; the house does not follow.
                made.add(signature)
                if runaway.calls():
                    _log_runaway()
                    break
                if (call := tool_input(chat_log.llm_api, new, name, arguments)) is not None:
                    pending = True
                    yield {"tool_calls": [call]}
            # The line break between a call and the sentence is not part of the sentence.
            case TextDelta(text) if spoken := text.lstrip() if pending else text:
                if retrying and not made:
                    return
                if pending:
                    yield {"role": "assistant"}
                    pending = False
                    if any_failed(chat_log.content):
                        return
                yield {"content": spoken}
                if runaway.says(spoken):
                    _log_runaway()
                    return
    if pending:
        yield {"role": "assistant"}
        if not any_failed(chat_log.content):
            yield {"content": done}


def _log_runaway() -> None:
    LOGGER.warning("The model repeats itself without end, and is not listened to any longer")


def latest_results(content: Sequence[conversation.Content]) -> Iterator[conversation.ToolResultContent]:
    """Yield the tool results at the end of a chat log, the newest first."""
    for item in reversed(content):
        if not isinstance(item, conversation.ToolResultContent):
            return
        yield item


def any_failed(content: Sequence[conversation.Content]) -> bool:
    """Return whether one of the calls just made failed."""
    return any(item.result.error for item in latest_results(content))
