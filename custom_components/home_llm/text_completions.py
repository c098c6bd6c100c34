"""Chat over a server's text completions: the integration writes the prompt and finds the calls itself.

Free of Home Assistant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .chat_events import ChatEvent, ChunkError, Finish, ToolCall, parse_arguments
from .client_errors import HomeLlmResponseError
from .prompt_templates import PromptTemplate, Turn, render_prompt
from .text_calls import TextCallReader
from .text_tools import CallFormat, Tools, describe_tools, known_tools, write_calls, write_result

# What only a chat request has.
_CHAT_FIELDS = frozenset(
    {
        "chat_template_kwargs",
        "home_llm",
        "messages",
        "parallel_tool_calls",
        "reasoning_effort",
        "tool_choice",
        "tools",
    }
)


@dataclass(frozen=True, slots=True)
class TextMode:
    """How prompts are written and calls are asked for."""

    template: PromptTemplate
    call_format: CallFormat


def text_request(request: Mapping[str, Any], mode: TextMode) -> tuple[dict[str, Any], TextReader]:
    """Return the completion request that says the same as a chat request, and the reader of its answer.

    Raises:
        HomeLlmResponseError: the messages hold more than text.
    """
    tools = known_tools(request.get("tools") or ())
    extension = request.get("home_llm") or {}
    call_format = CallFormat.HOME if extension.get("tool_markup") == "home" else mode.call_format
    # Home services stand in the prompt already.
    described = describe_tools(tools, call_format) if tools and extension.get("render_tools", True) else ""
    turns = _turns(request["messages"], call_format, tools, described)
    prompt = render_prompt(mode.template, turns)
    body = {name: value for name, value in request.items() if name not in _CHAT_FIELDS}
    stops = [*prompt.stops, *_own_stops(request.get("stop"))]
    return {**body, "prompt": prompt.text, "stop": stops}, TextReader(tools)


class TextReader:
    """Turn the chunks of one completion into events."""

    def __init__(self, tools: Tools) -> None:
        """Start before the first chunk."""
        self._calls = TextCallReader(tools)
        self.finished = False

    def read(self, chunk: Mapping[str, Any]) -> Iterator[ChatEvent]:
        """Yield the events of one chunk.

        Raises:
            ChunkError: the chunk has a wrong shape, or a call cannot be read.
        """
        choices = chunk.get("choices")
        if not choices:
            return
        if not isinstance(choices, list) or not isinstance(choice := choices[0], Mapping):
            raise ChunkError("choices is not a list of objects")
        text = choice.get("text")
        if text is not None and not isinstance(text, str):
            raise ChunkError("text is not text")
        if text and not self.finished:
            yield from self._calls.feed(text)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason and not self.finished:
            self.finished = True
            yield from self._calls.close(truncated=reason == "length")
            yield Finish(reason)

    def end(self) -> Iterator[ChatEvent]:
        """Yield what is left when the server says that the stream is done."""
        if not self.finished:
            self.finished = True
            yield from self._calls.close()
            yield Finish("stop")


def _turns(messages: Sequence[Mapping[str, Any]], call_format: CallFormat, tools: Tools, described: str) -> list[Turn]:
    """Return messages as turns of plain text; what one role says in a row becomes one turn."""
    turns: list[Turn] = []
    for message in messages:
        turn = _turn(message, call_format, tools)
        if turn is None:
            continue
        if turns and turns[-1].role == turn.role and turn.role != "user":
            turns[-1] = Turn(turn.role, f"{turns[-1].content}\n{turn.content}")
        else:
            turns.append(turn)
    if described:
        first = turns[0].content if turns and turns[0].role == "system" else ""
        rest = turns[1:] if first else turns
        turns = [Turn("system", f"{first}\n\n{described}".strip()), *rest]
    return turns


def _turn(message: Mapping[str, Any], call_format: CallFormat, tools: Tools) -> Turn | None:
    """Return one message as text, or None where it says nothing."""
    role = str(message.get("role"))
    content = _text(message.get("content"))
    if role == "tool":
        result = write_result(content, call_format)
        if result is None:
            return None
        return Turn("user" if call_format is CallFormat.HOME else "tool", result)
    if calls := message.get("tool_calls"):
        written = write_calls([_sent_call(call) for call in calls], call_format, tools)
        # A home call stands before the sentence about it, all others after what was said.
        parts = [written, content] if call_format is CallFormat.HOME else [content, written]
        content = "\n".join(part for part in parts if part)
    return Turn(role, content) if content else None


def _sent_call(call: Mapping[str, Any]) -> ToolCall:
    """Return a call of an earlier turn."""
    function = call["function"]
    return ToolCall(str(call.get("id")), function["name"], parse_arguments(function["arguments"]))


def _text(content: Any) -> str:
    """Return the text of a message.

    Raises:
        HomeLlmResponseError: it holds a picture.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if any(part.get("type") != "text" for part in content):
        raise HomeLlmResponseError("Text completions take no pictures; use chat completions for this server")
    return "\n".join(part["text"] for part in content)


def _own_stops(stop: Any) -> list[str]:
    """Return the texts that a request itself wants to end with."""
    return [stop] if isinstance(stop, str) else list(stop or ())
