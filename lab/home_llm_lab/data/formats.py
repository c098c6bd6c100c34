"""The formats in which rows are written: how the tools are told, and how calls are.

Conversations are made in the home format. Here they are read and written anew, in the markups and the tool formats that
the integration and the server know, those of the first Home models among them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from custom_components.home_llm.chat_events import ToolCall
from custom_components.home_llm.text_tools import (
    CallFormat,
    Tools,
    describe_tools,
    known_tools,
    read_line,
    write_calls,
)
from custom_components.home_llm.tool_formats import ToolFormat, formatted_tools

_SERVICES = "Services: "
_ERROR = "Error: "
_DONE = {"result": "done"}


@dataclass(frozen=True, slots=True)
class Format:
    """How tools and calls are written.

    Attributes:
        name: as the command has it.
        call_format: the integration's name for it, whose explanation ends the list of tools; None for none.
        tool_format: how the tools are told where nobody chose; None for not at all, or as the home format does.
        shared: whether conversations of a house can stand in one row, with the prompt once.
        answered: whether the sentence follows the result of the calls, in a message of its own.
        write: writes calls; None for the structure of OpenAI's API.
    """

    name: str
    call_format: CallFormat | None = None
    tool_format: ToolFormat | None = None
    shared: bool = False
    answered: bool = False
    write: Callable[[Sequence[ToolCall], Tools], str] | None = None


def _write_blocks(calls: Sequence[ToolCall], tools: Tools) -> str:
    return f"```homeassistant\n{write_calls(calls, CallFormat.HOME, tools)}\n```"


def _write_json_blocks(calls: Sequence[ToolCall], tools: Tools) -> str:
    del tools
    lines = "\n".join(json.dumps(_service_object(call), ensure_ascii=False) for call in calls)
    return f"```homeassistant\n{lines}\n```"


def _service_object(call: ToolCall) -> dict[str, Any]:
    rest = {name: value for name, value in call.arguments.items() if name != "entity_id"}
    target = {"target_device": call.arguments["entity_id"]} if "entity_id" in call.arguments else {}
    return {"service": call.name, **target, **rest}


def _write_as(call_format: CallFormat) -> Callable[[Sequence[ToolCall], Tools], str]:
    return lambda calls, tools: write_calls(calls, call_format, tools)


def _write_hermes(calls: Sequence[ToolCall], tools: Tools) -> str:
    bare = write_calls(calls, CallFormat.JSON, tools).split("\n")
    return "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in bare)


FORMATS: Mapping[str, Format] = {
    item.name: item
    for item in (
        Format("home", shared=True, write=_write_as(CallFormat.HOME)),
        Format("home-block", None, ToolFormat.MINIMAL, write=_write_blocks),
        Format("home-json", None, ToolFormat.MINIMAL, write=_write_json_blocks),
        Format(
            "functioncall",
            CallFormat.FUNCTION_CALL,
            ToolFormat.REDUCED,
            write=_write_as(CallFormat.FUNCTION_CALL),
        ),
        Format("hermes", CallFormat.TOOL_CALL, ToolFormat.FULL, answered=True, write=_write_hermes),
        Format("json", CallFormat.JSON, ToolFormat.REDUCED, answered=True, write=_write_as(CallFormat.JSON)),
        Format("openai", answered=True),
    )
}


def flat_rows(line: Mapping[str, Any], form: Format, tool_format: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield a row for each conversation of a house, with messages, and the tools where a chat template shows them.

    Args:
        line: a house in one moment.
        form: how calls are written.
        tool_format: minimal, reduced or full; None for what is usual with the format.
    """
    known = known_tools(line["tools"])
    chosen = ToolFormat(tool_format) if tool_format else form.tool_format
    for conversation in line["conversations"]:
        system = _system(line["prompt"], line["tools"], form, chosen) + conversation["tail"]
        yield {
            "house": line["house"],
            "kind": conversation["kind"],
            "act": conversation["act"],
            "language": conversation["language"],
            "format": form.name,
            "messages": [{"role": "system", "content": system}, *_messages(conversation["messages"], form, known)],
            "tools": list(line["tools"]) if form.write is None else None,
            **({"learn": conversation["learn"]} if "learn" in conversation else {}),
        }


def _system(prompt: str, tools: Sequence[Mapping[str, Any]], form: Format, tool_format: ToolFormat | None) -> str:
    """Return the system prompt with the tools told in another way."""
    if form.write is not None and tool_format is None:
        return prompt
    persona, _, rest = prompt.partition("\n")
    if rest.startswith(_SERVICES):
        _, _, rest = rest.partition("\n")
    if tool_format is None:
        return f"{persona}\n{rest}"
    label = _SERVICES if tool_format is ToolFormat.MINIMAL else "Tools: "
    told = label + formatted_tools(tools, tool_format)
    if form.call_format is not None:
        told += "\n" + describe_tools({}, form.call_format).rpartition("\n")[2]
    return f"{persona}\n{told}\n{rest}"


def _messages(messages: Sequence[Mapping[str, str]], form: Format, tools: Tools) -> Iterator[dict[str, Any]]:
    """Yield messages of the home format in another one."""
    open_calls: list[ToolCall] = []
    for message in messages:
        content = message["content"]
        if message["role"] == "user":
            if open_calls and form.answered:
                yield from _results(open_calls, content, form)
            else:
                yield dict(message)
            open_calls = []
            continue
        calls, sentence = read_answer(content, tools)
        yield from _answer(calls, sentence, form, tools)
        open_calls = [] if sentence else calls


def _answer(calls: Sequence[ToolCall], sentence: str, form: Format, tools: Tools) -> Iterator[dict[str, Any]]:
    if not calls:
        yield {"role": "assistant", "content": sentence}
        return
    written = form.write(calls, tools) if form.write is not None else ""
    if not form.answered:
        # The home format calls first. The first Home models say first what they are going to do.
        parts = (written, sentence) if form.shared else (sentence, written)
        yield {"role": "assistant", "content": "\n".join(filter(None, parts))}
        return
    yield {"role": "assistant", "content": written, **({} if form.write else {"tool_calls": _structured(calls)})}
    if sentence:
        yield from _results(calls, "", form)
        yield {"role": "assistant", "content": sentence}


def _structured(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    return [
        {"id": _id(index), "type": "function", "function": {"name": call.name, "arguments": dict(call.arguments)}}
        for index, call in enumerate(calls)
    ]


def _id(index: int) -> str:
    return f"call_{index}"


def _results(calls: Sequence[ToolCall], errors: str, form: Format) -> Iterator[dict[str, Any]]:
    """Yield what came of calls: errors in order, or that all is done."""
    texts = [text.removeprefix(_ERROR) for text in errors.split("\n") if text]
    for index in range(len(calls)):
        told = {"error": texts[min(index, len(texts) - 1)]} if texts else _DONE
        content = json.dumps(told, ensure_ascii=False)
        yield {"role": "tool", "content": content, **({} if form.write else {"tool_call_id": _id(index)})}


def read_answer(content: str, tools: Tools) -> tuple[list[ToolCall], str]:
    """Return the calls and the sentence of an answer in the home format."""
    calls: list[ToolCall] = []
    lines = content.split("\n")
    while lines and (call := read_line(lines[0], tools)) is not None:
        calls.append(call)
        lines = lines[1:]
    return calls, "\n".join(lines)
