"""Chunks of the OpenAI API become events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from custom_components.home_llm.chat_events import (
    ChatEvent,
    ChunkError,
    ChunkReader,
    Finish,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    parse_arguments,
)


def chunk(delta: Any, finish: str | None = None) -> dict[str, Any]:
    """Return a chunk."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def fragment(arguments: Any = None, index: int | None = 0, call_id: str | None = None, name: str | None = None) -> Any:
    """Return a delta with a piece of a call."""
    piece: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    if index is not None:
        piece["index"] = index
    if call_id:
        piece["id"] = call_id
    return {"tool_calls": [piece]}


def read(chunks: Iterable[dict[str, Any]]) -> list[ChatEvent]:
    """Return the events of a whole answer."""
    reader = ChunkReader()
    events = [event for item in chunks for event in reader.read(item)]
    return events + list(reader.end())


def test_text_and_reasoning() -> None:
    """Text is text, thinking is kept apart under both of its names, empty deltas are nothing."""
    assert read(
        [
            chunk({"role": "assistant", "content": None}),
            chunk({"reasoning_content": "Hmm"}),
            chunk({"reasoning": "..."}),
            chunk({}),
            chunk({"content": ""}),
            chunk({"content": "Hi"}),
            {"choices": [], "usage": {"total_tokens": 3}},
            chunk({}, "stop"),
        ]
    ) == [ReasoningDelta("Hmm"), ReasoningDelta("..."), TextDelta("Hi"), Finish("stop")]


def test_a_complete_call_is_handed_out_before_the_sentence_that_follows_it() -> None:
    """Calls of one chunk come when text begins, so that they can run before it is spoken."""
    events = read(
        [
            chunk(fragment('{"entity_id": "light.a"}', 0, "call_1", "light.turn_on")),
            chunk(fragment("{}", 1, "call_2", "light.turn_off")),
            chunk({"content": "Done."}),
            chunk({}, "tool_calls"),
        ]
    )
    assert events == [
        ToolCall("call_1", "light.turn_on", {"entity_id": "light.a"}),
        ToolCall("call_2", "light.turn_off", {}),
        TextDelta("Done."),
        Finish("tool_calls"),
    ]


@pytest.mark.parametrize("size", range(1, 12))
def test_arguments_in_fragments_of_any_size(size: int) -> None:
    """Fragments without name or id are added to the call of their index, also when calls are interleaved."""
    first, second = '{"name": "Kitchen Light"}', '{"area": "Küche", "n": [1]}'
    chunks = [chunk(fragment("", 0, "a", "one")), chunk(fragment("", 1, "b", "two"))]
    for start in range(0, max(len(first), len(second)), size):
        chunks.append(chunk(fragment(first[start : start + size], 0)))
        chunks.append(chunk(fragment(second[start : start + size], 1)))
    assert read([*chunks, chunk({}, "tool_calls")]) == [
        ToolCall("a", "one", {"name": "Kitchen Light"}),
        ToolCall("b", "two", {"area": "Küche", "n": [1]}),
        Finish("tool_calls"),
    ]


def test_calls_that_all_have_index_zero() -> None:
    """A new id begins a new call, whatever the index says."""
    events = read([chunk(fragment("{}", 0, "a", "one")), chunk(fragment("{}", 0, "b", "two"))])
    assert [event.name for event in events if isinstance(event, ToolCall)] == ["one", "two"]


def test_calls_without_index_or_id() -> None:
    """A name begins a new call; each gets an id."""
    events = read(
        [
            chunk(fragment('{"a":', None, None, "one")),
            chunk(fragment(" 1}", None)),
            chunk(fragment(None, None, None, "two")),
        ]
    )
    first, second, _finish = events
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert (first.arguments, second.arguments) == ({"a": 1}, {})
    assert first.call_id != second.call_id
    assert first.call_id.startswith("call_")


def test_all_calls_in_the_finish_chunk() -> None:
    """text-generation-webui sends every call together with the finish reason."""
    delta = {
        "tool_calls": [
            fragment("{}", 0, "a", "one")["tool_calls"][0],
            fragment("{}", 1, "b", "two")["tool_calls"][0],
        ]
    }
    assert read([chunk(delta, "tool_calls")]) == [
        ToolCall("a", "one", {}),
        ToolCall("b", "two", {}),
        Finish("tool_calls"),
    ]


def test_a_call_that_the_token_limit_cut_off_is_dropped() -> None:
    """Half a call is no call."""
    events = read([chunk(fragment('{"entity_id": "lig', 0, "a", "one")), chunk({}, "length")])
    assert events == [Finish("length")]


def test_a_call_that_is_broken_is_reported() -> None:
    """Arguments that are not JSON are reported with the call and never guessed."""
    call, end = read([chunk(fragment("{entity", 0, "a", "one")), chunk({}, "tool_calls")])
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == ("one", {})
    assert "not JSON" in call.fault
    assert end == Finish("tool_calls")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [("", {}), ("  ", {}), ("{}", {}), ('"{\\"a\\": 1}"', {"a": 1}), ('""', {})],
)
def test_arguments_that_are_accepted(text: str, arguments: dict[str, Any]) -> None:
    """Nothing means no arguments, and JSON in JSON is unpacked."""
    assert parse_arguments(text) == arguments


@pytest.mark.parametrize("text", ["[1]", "1", "null", '"x"', "{"])
def test_arguments_that_are_refused(text: str) -> None:
    """Anything but an object is refused."""
    with pytest.raises(ChunkError):
        parse_arguments(text)


@pytest.mark.parametrize(
    "broken",
    [
        {"choices": ["x"]},
        {"choices": [{"delta": "x"}]},
        chunk({"content": 1}),
        chunk({"tool_calls": ["x"]}),
        chunk({"tool_calls": [{"function": "x"}]}),
        chunk(fragment("{}", 0, "a"), "tool_calls"),
    ],
)
def test_wrong_shapes_are_errors(broken: dict[str, Any]) -> None:
    """A chunk of another shape is reported as such."""
    with pytest.raises(ChunkError):
        read([broken])
