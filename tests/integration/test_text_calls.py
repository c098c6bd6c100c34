"""Calls in text: what is read, wherever the text is cut, and how calls are written."""

from __future__ import annotations

from typing import Any

import pytest

from custom_components.home_llm.chat_events import ChatEvent, ChunkError, ReasoningDelta, TextDelta, ToolCall
from custom_components.home_llm.text_calls import TextCallReader
from custom_components.home_llm.text_tools import (
    CallFormat,
    describe_tools,
    known_tools,
    read_line,
    write_calls,
    write_result,
)

TOOLS = known_tools(
    [
        {
            "type": "function",
            "function": {
                "name": "light.turn_on",
                "description": "Turn on a light.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "entity_id": {"type": "string", "enum": ["light.kitchen"]},
                        "brightness": {"type": "integer"},
                    },
                    "required": ["entity_id"],
                },
            },
        },
        {"type": "function", "function": {"name": "HassTurnOn", "parameters": {"type": "object", "properties": {}}}},
    ]
)
ON = ("light.turn_on", {"entity_id": "light.kitchen"})
DIM = ("light.turn_on", {"entity_id": "light.kitchen", "brightness": 40})
OBJECT = '{"name": "light.turn_on", "arguments": {"entity_id": "light.kitchen"}}'

Read = tuple[str, str, list[tuple[str, dict[str, Any]]]]


def summary(events: list[ChatEvent]) -> Read:
    """Return what was said, what was thought, and what was called."""
    return (
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        [(event.name, event.arguments) for event in events if isinstance(event, ToolCall)],
    )


def read(*pieces: str, truncated: bool = False, tools: Any = TOOLS) -> Read:
    """Read an answer that comes in pieces."""
    reader = TextCallReader(tools)
    events = [event for piece in pieces for event in reader.feed(piece)]
    events += reader.close(truncated=truncated)
    return summary(events)


CASES: list[tuple[str, Read]] = [
    ("Hello there.", ("Hello there.", "", [])),
    ("\n\n Hello\nthere.\n", ("Hello\nthere.\n", "", [])),
    (f"<tool_call>{OBJECT}</tool_call>", ("", "", [ON])),
    (f"Sure.\n<tool_call>\n{OBJECT}\n</tool_call>\nDone.", ("Sure.\nDone.", "", [ON])),
    (f"<tool_call>{OBJECT}</tool_call><tool_call>{OBJECT}</tool_call>", ("", "", [ON, ON])),
    (f"<tool_call>[{OBJECT}, {OBJECT}]</tool_call>", ("", "", [ON, ON])),
    (f"<tool_call>{OBJECT}", ("", "", [ON])),
    (
        '<tool_call>{"name": "HassTurnOn", "parameters": {"name": "Kitchen"}}</tool_call>',
        ("", "", [("HassTurnOn", {"name": "Kitchen"})]),
    ),
    (
        '<tool_call>{"name": "HassTurnOn", "arguments": "{\\"name\\": \\"Kitchen\\"}"}</tool_call>',
        ("", "", [("HassTurnOn", {"name": "Kitchen"})]),
    ),
    (
        '<tool_call>{"type": "function", "function": {"name": "HassTurnOn", "arguments": {}}}</tool_call>',
        ("", "", [("HassTurnOn", {})]),
    ),
    (f"turning on <functioncall> {OBJECT}", ("turning on ", "", [ON])),
    (f"<functioncall> {OBJECT}</functioncall> done", ("done", "", [ON])),
    (OBJECT, ("", "", [ON])),
    (f"{OBJECT}\n{OBJECT}\nDone.", ("Done.", "", [ON, ON])),
    ('{"temperature": 21}', ('{"temperature": 21}', "", [])),
    ('{"name": "Anna", "age": 7}', ('{"name": "Anna", "age": 7}', "", [])),
    ("{not json", ("{not json", "", [])),
    (f"```json\n{OBJECT}\n```", ("", "", [ON])),
    ('```json\n{"a": 1}\n```\n', ('```json\n{"a": 1}\n```\n', "", [])),
    ("```python\nprint(1)\n```", ("```python\nprint(1)\n```", "", [])),
    ("```homeassistant\nlight.turn_on(light.kitchen)\n```", ("", "", [ON])),
    (
        'turning on\n```homeassistant\n{"service": "light.turn_on", "target_device": "light.kitchen"}\n```',
        ("turning on\n", "", [ON]),
    ),
    ('```homeassistant\n{"name": "HassTurnOn"}\n{"name": "HassTurnOn"}\n```', ("", "", [("HassTurnOn", {})] * 2)),
    ("light.turn_on(light.kitchen)\nTurning on the light.", ("Turning on the light.", "", [ON])),
    ("light.turn_on(light.kitchen, brightness=40)", ("", "", [DIM])),
    ("light.turn_on is a service", ("light.turn_on is a service", "", [])),
    ("light.turn_on(what?\nI do not know", ("light.turn_on(what?\nI do not know", "", [])),
    ("I would call light.turn_on(light.kitchen)", ("I would call light.turn_on(light.kitchen)", "", [])),
    ("<think>Which one?</think>\n\nThe kitchen.", ("The kitchen.", "Which one?", [])),
    (f"<think>a <tool_call> maybe</think><tool_call>{OBJECT}</tool_call>", ("", "a <tool_call> maybe", [ON])),
    ("<think>never ends", ("", "never ends", [])),
    ("a thought</think>\nHello.", ("a thought\nHello.", "", [])),
    ("if x < 5 then <b>", ("if x < 5 then <b>", "", [])),
    ("ends with <tool", ("ends with <tool", "", [])),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_at_every_cut(text: str, expected: Read) -> None:
    """The same is read from the whole, from two parts however they are cut, and letter by letter."""
    assert read(text) == expected
    assert read(*text) == expected
    for cut in range(1, len(text)):
        assert read(text[:cut], text[cut:]) == expected, cut


BROKEN = [
    "<tool_call>{broken</tool_call>",
    "<tool_call>{broken",
    "<functioncall> {broken",
    "<functioncall> 5",
    "<tool_call>[1]</tool_call>",
    '<tool_call>{"name": "HassTurnOn", "arguments": [1]}</tool_call>',
    "```homeassistant\nthe light\n```",
    "<tool_call>" + '{"a":' * 100_000,
]


@pytest.mark.parametrize("text", BROKEN)
def test_broken_calls(text: str) -> None:
    """A call that cannot be read is an error, and never spoken."""
    with pytest.raises(ChunkError):
        read(text)


def test_a_call_that_the_token_limit_cut_off() -> None:
    """What was said before it counts."""
    assert read("Well. <tool_call>{bro", truncated=True) == ("Well. ", "", [])


def test_without_tools_nothing_is_a_call() -> None:
    """An answer that shows a call is only text where there is nothing to call."""
    text = f"Write <tool_call>{OBJECT}</tool_call>\nlight.turn_on(light.kitchen)"
    assert read(text, tools={}) == (text, "", [])


def test_text_is_passed_on_at_once() -> None:
    """A sentence is not held back until its end."""
    reader = TextCallReader(TOOLS)
    assert summary(list(reader.feed("Turning on"))) == ("Turning on", "", [])
    assert summary(list(reader.feed(" the light"))) == (" the light", "", [])


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("light.turn_on()", {}),
        ('light.turn_on("light.kitchen", brightness = 40)', DIM[1]),
        ("light.turn_on(entity_id=light.kitchen, brightness=40)", DIM[1]),
        ("light.turn_on('Anna\\'s light')", {"entity_id": "Anna's light"}),
        ("unknown.thing(light.kitchen)", {"entity_id": "light.kitchen"}),
        ("light.turn_on(light.kitchen, light.hall)", None),
        ("light.turn_on(light.kitchen, brightness=)", None),
        ("turn the light on (now)", None),
        ("light.turn_on", None),
        ("HassTurnOn(x)", None),
    ],
)
def test_lines(line: str, arguments: dict[str, Any] | None) -> None:
    """Arguments by position and by name, quoted or bare; everything else is no call."""
    call = read_line(line, TOOLS)
    assert (None if call is None else call.arguments) == arguments


@pytest.mark.parametrize("call_format", list(CallFormat))
def test_what_is_written_is_read(call_format: CallFormat) -> None:
    """Calls of earlier turns stand in the prompt as they would be read in an answer."""
    calls = [ToolCall("1", *ON), ToolCall("2", "light.turn_on", {"entity_id": "a b", "brightness": 1})]
    assert read(write_calls(calls, call_format, TOOLS))[2] == [(call.name, call.arguments) for call in calls]


def test_tools_in_the_prompt() -> None:
    """Home calls get the minimal description, JSON calls the reduced one, and tagged calls the full one."""
    home = describe_tools(TOOLS, CallFormat.HOME)
    assert home.startswith("Services: light.turn_on(brightness), HassTurnOn\n")
    reduced = describe_tools(TOOLS, CallFormat.JSON)
    assert '"properties": {"entity_id": "string", "brightness": "integer"}, "required": ["entity_id"]' in reduced
    assert "enum" not in reduced
    assert '"enum": ["light.kitchen"]' in describe_tools(TOOLS, CallFormat.TOOL_CALL)
    assert "<functioncall> {" in describe_tools(TOOLS, CallFormat.FUNCTION_CALL)


@pytest.mark.parametrize(
    ("content", "home"),
    [
        ('{"data": {"result": "done"}, "error": false}', None),
        ('{"data": {"error": "I have no access"}, "error": true}', "Error: I have no access"),
        ('{"data": "no words", "error": true}', "Error: no words"),
        ('{"data": {"temperature": 21}, "error": false}', 'Result: {"temperature": 21}'),
        ("plain", "Result: plain"),
        ("", None),
    ],
)
def test_results(content: str, home: str | None) -> None:
    """In the home format only what is news is told; others get the whole result."""
    assert write_result(content, CallFormat.HOME) == home
    assert write_result(content, CallFormat.TOOL_CALL) == f"<tool_response>{content}</tool_response>"
    assert write_result(content, CallFormat.JSON) == f"Result: {content}"
