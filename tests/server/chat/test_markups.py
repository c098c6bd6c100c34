"""Tool markups: whatever the cut, no markup in the text, no text lost or doubled, every call complete."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from home_llm.chat.markups import MARKUPS, CallParser
from home_llm.chat.markups.base import bind_values
from home_llm.chat.vocabulary import Text, Tool, ToolCall

LIGHTS = {"type": "string", "enum": ["light.kitchen", "light.hall"]}
TOOLS = (
    Tool(
        "light.turn_on",
        "Turn on",
        {
            "type": "object",
            "properties": {
                "entity_id": LIGHTS,
                "brightness": {"type": "integer", "minimum": 0, "maximum": 100},
                "effect": {"type": "string"},
            },
            "required": ["entity_id"],
        },
    ),
    Tool("light.turn_off", "Turn off", {"type": "object", "properties": {"entity_id": LIGHTS}}),
    Tool("say", "Say", {"type": "object", "properties": {"words": {"type": "string"}}, "required": ["words"]}),
    Tool("stop"),
)

Call = tuple[str, dict[str, object]]


def read(parser: CallParser, pieces: list[str], *, truncated: bool = False) -> tuple[str, list[Call]]:
    """Return the text and the calls."""
    events = [event for piece in pieces for event in parser.feed(piece)]
    events += parser.close(truncated=truncated)
    assert all(event.text for event in events if isinstance(event, Text))
    text = "".join(event.text for event in events if isinstance(event, Text))
    return text, [(event.name, event.arguments) for event in events if isinstance(event, ToolCall)]


def every_cut(text: str) -> list[list[str]]:
    """Return the text whole, by characters, and cut in two at every place."""
    return [[text], list(text), *([text[:place], text[place:]] for place in range(1, len(text)))]


HERMES = [
    ("Hello there.", "Hello there.", []),
    ('<tool_call>\n{"name": "stop", "arguments": {}}\n</tool_call>', "", [("stop", {})]),
    ('<tool_call>{"name":"say","arguments":{"words":"a < b"}}</tool_call>', "", [("say", {"words": "a < b"})]),
    (
        (
            'Sure.\n<tool_call>\n{"name": "a", "arguments": {"x": 1}}\n</tool_call>\n'
            '<tool_call>\n{"name": "b", "arguments": "{\\"y\\": 2}"}\n</tool_call>\n'
        ),
        "Sure.",
        [("a", {"x": 1}), ("b", {"y": 2})],
    ),
    ('<tool_call>{"name": "a", "parameters": {"x": null}}</tool_call> Done.', "Done.", [("a", {"x": None})]),
    ("if x < 5 then <b>bold</b> <tool_box>", "if x < 5 then <b>bold</b> <tool_box>", []),
    ("<tool_call>not json</tool_call>", "not json", []),
    ('{"name": "a"} is text', '{"name": "a"} is text', []),
    ("two\n\nlines ", "two\n\nlines ", []),
]


@pytest.mark.parametrize(("text", "said", "calls"), HERMES)
def test_hermes(text: str, said: str, calls: list[Call]) -> None:
    """Hermes calls are read the same wherever the text is cut."""
    for pieces in every_cut(text):
        assert read(MARKUPS["hermes"].parser(TOOLS), pieces) == (said, calls)


def test_hermes_unclosed() -> None:
    """A call whose closing tag is missing is made, unless the token limit cut it."""
    text = '<tool_call>\n{"name": "stop", "arguments": {}}'
    assert read(MARKUPS["hermes"].parser(TOOLS), [text]) == ("", [("stop", {})])
    assert read(MARKUPS["hermes"].parser(TOOLS), [text[:-9]], truncated=True) == ("", [])


HOME = [
    ("light.turn_on(light.kitchen)", "", [("light.turn_on", {"entity_id": "light.kitchen"})]),
    (
        "light.turn_on(light.kitchen, brightness=40)\nTurning it on.\nBye.",
        "Turning it on.\nBye.",
        [("light.turn_on", {"entity_id": "light.kitchen", "brightness": 40})],
    ),
    (
        'light.turn_off(light.hall)\nlight.turn_on(light.kitchen, effect="a, b) c", brightness=1)\n',
        "",
        [
            ("light.turn_off", {"entity_id": "light.hall"}),
            ("light.turn_on", {"entity_id": "light.kitchen", "effect": "a, b) c", "brightness": 1}),
        ],
    ),
    (
        'light.turn_off(all, except=["area.hall", "light.kitchen"])\nAll but the hall.',
        "All but the hall.",
        [("light.turn_off", {"entity_id": "all", "except": ["area.hall", "light.kitchen"]})],
    ),
    ('say("it is (nearly) 10, or so")', "", [("say", {"words": "it is (nearly) 10, or so"})]),
    ("stop()\n\nStopped.", "Stopped.", [("stop", {})]),
    ("light.turn_on (no) is a service", "light.turn_on (no) is a service", []),
    ("say what?\nstop()", "say what?\n", [("stop", {})]),
    ("lock.unlock(lock.front)", "lock.unlock(lock.front)", []),
    ("light.turn_on(light.kitchen, brightness)", "light.turn_on(light.kitchen, brightness)", []),
    ("The light\n\nis on.", "The light\n\nis on.", []),
    ("stopping", "stopping", []),
]


@pytest.mark.parametrize(("text", "said", "calls"), HOME)
def test_home(text: str, said: str, calls: list[Call]) -> None:
    """Home calls are read the same wherever the text is cut."""
    for pieces in every_cut(text):
        assert read(MARKUPS["home"].parser(TOOLS), pieces) == (said, calls)


def test_home_truncated() -> None:
    """A line that the token limit cut in the middle of a call is neither made nor spoken."""
    assert read(MARKUPS["home"].parser(TOOLS), ["light.turn_on(light.kit"], truncated=True) == ("", [])
    assert read(MARKUPS["home"].parser(TOOLS), ["light.turn_on(light.kit"]) == ("light.turn_on(light.kit", [])


def test_home_streams_sentences() -> None:
    """A sentence is passed on as soon as it cannot be a call."""
    parser = MARKUPS["home"].parser(TOOLS)
    assert list(parser.feed("st")) == []
    assert list(parser.feed("ill")) == [Text("still")]
    assert list(parser.feed(" here")) == [Text(" here")]


VALUES = st.one_of(st.integers(), st.booleans(), st.text(max_size=12), st.none(), st.lists(st.integers(), max_size=3))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["light.kitchen", "light.hall"]),
            st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, max_size=3),
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(sorted(MARKUPS)),
    st.data(),
)
def test_what_is_written_is_read(calls: list[tuple[str, dict[str, Any]]], name: str, data: st.DataObject) -> None:
    """Calls written in a markup are read back as they were, wherever the text is cut."""
    markup = MARKUPS[name]
    made = [ToolCall("light.turn_on", {"entity_id": entity, **rest}) for entity, rest in calls]
    text = markup.write_calls(made, TOOLS)
    place = data.draw(st.integers(0, len(text)))
    said, got = read(markup.parser(TOOLS), [text[:place], text[place:]])
    assert said == ""
    assert got == [(call.name, call.arguments) for call in made]


@given(st.text(alphabet='abc<tool_call>/{}"\n().', max_size=60), st.sampled_from(sorted(MARKUPS)), st.data())
def test_any_text_reads_the_same_however_cut(text: str, name: str, data: st.DataObject) -> None:
    """Whatever a model writes, the reading does not depend on the cut."""
    markup = MARKUPS[name]
    whole = read(markup.parser(TOOLS), [text])
    place = data.draw(st.integers(0, len(text)))
    assert read(markup.parser(TOOLS), [text[:place], text[place:]]) == whole
    assert read(markup.parser(TOOLS), list(text)) == whole


def test_bound_values() -> None:
    """Allowed values become enums, also in lists; a parameter without any value is left out."""
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Name"},
            "area": {"type": "array", "items": {"type": "string"}},
            "floor": {"type": "string"},
            "brightness": {"type": "integer"},
        },
        "required": ["name", "floor"],
    }
    bound = bind_values(schema, {"name": ("Lamp", "TV"), "area": ("Hall",), "floor": ()})
    assert bound["properties"] == {
        "name": {"enum": ["Lamp", "TV"]},
        "area": {"type": "array", "items": {"enum": ["Hall"]}},
        "brightness": {"type": "integer"},
    }
    assert bound["required"] == ["name"]
    assert bind_values({"type": "object"}, {"name": ("Lamp",)}) == {"type": "object"}


def test_results_in_home_markup() -> None:
    """Success says nothing, errors and data are told."""
    home = MARKUPS["home"]
    assert home.write_result(json.dumps({"data": {"success": True}, "error": None})) is None
    assert home.write_result("") is None
    assert home.write_result(json.dumps({"data": {"result": "done"}, "error": None})) is None
    refused = {"data": {"error": "Lamp is not exposed"}, "error": True}
    assert home.write_result(json.dumps(refused)) == "Error: Lamp is not exposed"
    assert home.write_result(json.dumps({"data": None, "error": "Lamp is not available"})) == (
        "Error: Lamp is not available"
    )
    assert home.write_result(json.dumps({"data": {"state": "on"}, "error": None})) == 'Result: {"state": "on"}'
    assert home.write_result("21 degrees") == "Result: 21 degrees"
