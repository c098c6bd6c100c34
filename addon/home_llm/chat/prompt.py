"""From a chat request to a prompt: the messages as the template wants them, rendered."""

import collections
import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from home_llm.chat.markups import Markup
from home_llm.chat.template import ChatTemplate, TemplateError
from home_llm.chat.vocabulary import ChatRequest, Message, Tool, ToolCall

_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")

Guard = Callable[[str], str]


def render_prompt(
    request: ChatRequest, tools: Sequence[Tool], *, markup: Markup, template: ChatTemplate, guard: Guard
) -> str:
    """Return the prompt of a request.

    What the template cannot show becomes text here: the tools at the end of the system prompt, calls as the model
    writes them, results as what the user says next. A template shows nothing of another markup than its own.

    Args:
        request: the request.
        tools: the tools that the model may call.
        markup: how it writes calls.
        template: its chat template.
        guard: keeps special tokens out of a text.

    Raises:
        TemplateError: the template refuses the messages.
    """
    own = template.markup == markup.name
    messages = _with_ids(_with_tool_names(request.messages, request.tools), short=template.short_ids)
    if not own:
        messages = _as_text(messages, tools, markup)
    elif not template.knows_calls:
        messages = tuple(_calls_as_text(message, tools, markup) for message in messages)
    elif markup.single:
        messages = tuple(_one_by_one(messages))
    shown = tools if request.render_tools else ()
    rendered: list[dict[str, Any]] = []
    in_message = None
    if shown and own and template.tools_in_message:
        in_message = guard(json.dumps([tool.as_openai["function"] for tool in shown], ensure_ascii=False))
        messages = messages if messages and messages[0].role == "system" else (Message("system"), *messages)
    elif shown and own and template.knows_tools:
        rendered = [tool.as_openai for tool in shown]
    elif shown:
        messages = _describe(messages, markup.describe(shown))
    try:
        return template.render(_as_openai(messages, guard, in_message), rendered, request.template_arguments)
    except TemplateError:
        # Some know no system messages.
        folded = _folded(messages)
        if folded is None:
            raise
        try:
            return template.render(_as_openai(folded, guard, in_message), rendered, request.template_arguments)
        except TemplateError:
            pass
        raise


def _with_tool_names(messages: Sequence[Message], tools: Sequence[Tool]) -> tuple[Message, ...]:
    """Call tools in earlier calls what they are called now: a name without its prefix where just one tool ends with it.

    What Home Assistant's own agent did in a conversation stands there as `HassTurnOn`, and the tool that it offers for
    the same is `intent__HassTurnOn`. A small model does as it sees, and could not write the first.
    """
    names = {tool.name for tool in tools}
    bare = collections.Counter(name.rpartition("__")[2] for name in names)
    full = {name.rpartition("__")[2]: name for name in names if bare[name.rpartition("__")[2]] == 1}

    def called(name: str) -> str:
        return name if name in names else full.get(name, name)

    return tuple(
        dataclasses.replace(
            message,
            tool_calls=tuple(dataclasses.replace(call, name=called(call.name)) for call in message.tool_calls),
            name=called(message.name) if message.role == "tool" and message.name else message.name,
        )
        if message.tool_calls or message.role == "tool"
        else message
        for message in messages
    )


def _with_ids(messages: Sequence[Message], *, short: bool) -> tuple[Message, ...]:
    """Tell each result the call that it answers, where the client did not: in their order.

    Args:
        messages: the messages.
        short: whether ids must have nine letters and digits.
    """
    result: list[Message] = []
    open_calls: list[ToolCall] = []
    for message in messages:
        if message.tool_calls:
            calls = tuple(dataclasses.replace(call, id=_short(call.id)) for call in message.tool_calls) if short else ()
            told = dataclasses.replace(message, tool_calls=calls or message.tool_calls)
            open_calls = list(told.tool_calls)
        elif message.role == "tool":
            wanted = message.tool_call_id
            wanted = _short(wanted) if short and wanted is not None else wanted
            call = next((call for call in open_calls if wanted in (None, call.id)), None)
            if call is not None:
                open_calls.remove(call)
            told = dataclasses.replace(
                message,
                tool_call_id=call.id if call else wanted,
                name=message.name or (call.name if call else None),
            )
        else:
            told = message
        result.append(told)
    return tuple(result)


def _short(identity: str) -> str:
    return identity if _SHORT_ID.fullmatch(identity) else hashlib.sha256(identity.encode()).hexdigest()[:9]


def _as_text(messages: Sequence[Message], tools: Sequence[Tool], markup: Markup) -> tuple[Message, ...]:
    """Write calls and results into the text, and join what then comes from one speaker."""
    result: list[Message] = []
    for message in messages:
        if message.role == "tool":
            content = markup.write_result(message.content)
            if content is None:
                continue
            plain = Message("user", content)
        else:
            plain = _calls_as_text(message, tools, markup)
        previous = result[-1] if result else None
        if previous and previous.role == plain.role and plain.role != "system" and message.role != "user":
            result[-1] = dataclasses.replace(previous, content=f"{previous.content}\n{plain.content}")
        else:
            result.append(plain)
    return tuple(result)


def _calls_as_text(message: Message, tools: Sequence[Tool], markup: Markup) -> Message:
    if not message.tool_calls:
        return message
    calls = markup.write_calls(message.tool_calls, tools)
    # What was thought before a call belongs to a turn that is over.
    return Message(message.role, "\n".join(filter(None, (message.content, calls))))


def _one_by_one(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield a message of its own for each call, with its result behind it: some templates show one call a message."""
    rest = collections.deque(messages)
    while rest:
        message = rest.popleft()
        if len(message.tool_calls) < 2:
            yield message
            continue
        results: list[Message] = []
        while rest and rest[0].role == "tool":
            results.append(rest.popleft())
        for index, call in enumerate(message.tool_calls):
            # What was said and thought before all of them comes before the first.
            said = message if index == 0 else Message(message.role)
            yield dataclasses.replace(said, tool_calls=(call,))
            yield from (result for result in results if result.tool_call_id == call.id)
        known = {call.id for call in message.tool_calls}
        yield from (result for result in results if result.tool_call_id not in known)


def _describe(messages: Sequence[Message], description: str) -> tuple[Message, ...]:
    """Put the description of the tools at the end of the system prompt."""
    if messages and messages[0].role == "system":
        first = dataclasses.replace(messages[0], content=f"{messages[0].content}\n\n{description}")
        return (first, *messages[1:])
    return (Message("system", description), *messages)


def _folded(messages: Sequence[Message]) -> tuple[Message, ...] | None:
    """Put the system prompt before what the user says first; None where there is no such place."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return None
    user = dataclasses.replace(messages[1], content=f"{messages[0].content}\n\n{messages[1].content}")
    return (user, *messages[2:])


def _as_openai(messages: Sequence[Message], guard: Guard, tools: str | None) -> list[dict[str, Any]]:
    """Return messages as templates take them.

    Args:
        messages: the messages.
        guard: keeps special tokens out of a text.
        tools: what goes into the first one beside its text, or None.
    """
    result = [_message(message, guard) for message in messages]
    if tools is not None:
        result[0]["tools"] = tools
    return result


def _message(message: Message, guard: Guard) -> dict[str, Any]:
    # What the assistant said before came out of the model, or was written as its words: markup in it is meant.
    content = message.content if message.role == "assistant" else guard(message.content)
    result: dict[str, Any] = {"role": message.role, "content": content}
    if message.tool_calls:
        result["tool_calls"] = [_call_as_openai(call) for call in message.tool_calls]
    if message.reasoning:
        result["reasoning_content"] = message.reasoning
        if not (message.tool_calls and message.content):
            # Where both are given, the templates that call it so do not know which one it was.
            result["thinking"] = message.reasoning
    if message.role == "tool":
        result["tool_call_id"] = message.tool_call_id
        result["name"] = message.name
    return result


def _call_as_openai(call: ToolCall) -> dict[str, Any]:
    # Arguments as an object: templates iterate over them or write them with tojson.
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
