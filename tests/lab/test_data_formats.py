"""Every format of rows can be read by the integration and by the server, and says what the home format says."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from home_llm_lab.data.formats import FORMATS, flat_rows, read_answer

from custom_components.home_llm.chat_events import TextDelta, ToolCall
from custom_components.home_llm.text_calls import TextCallReader
from custom_components.home_llm.text_tools import known_tools

ROOT = Path(__file__).parents[2]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "light.turn_on",
            "description": "Turn on a light",
            "parameters": {
                "type": "object",
                "properties": {
                    "entity_id": {"type": "string", "enum": ["light.kitchen", "light.hall"]},
                    "brightness": {"type": "integer", "minimum": 0, "maximum": 100, "description": "In percent"},
                },
                "required": ["entity_id"],
                "additionalProperties": False,
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "assist.start_timer",
            "description": "Start a timer",
            "parameters": {
                "type": "object",
                "properties": {"duration": {"type": "string", "description": "Such as 5 minutes"}},
                "required": ["duration"],
                "additionalProperties": False,
            },
        },
    },
]
ANSWER = (
    "light.turn_on(light.kitchen, brightness=40)\nlight.turn_on(light.hall)\n"
    'assist.start_timer("5 minutes")\nAll is done.'
)
CALLS = [
    ("light.turn_on", {"entity_id": "light.kitchen", "brightness": 40}),
    ("light.turn_on", {"entity_id": "light.hall"}),
    ("assist.start_timer", {"duration": "5 minutes"}),
]
LINE = {
    "house": 1,
    "language": "en",
    "split": "train",
    "things": 2,
    "prompt": (
        "You are 'Al'.\nServices: light.turn_on, assist.start_timer\nAreas: all\nDevices:\nlight.hall 'Hall' = on"
    ),
    "tools": TOOLS,
    "conversations": [
        {
            "kind": "act_test",
            "act": "act",
            "language": "en",
            "tail": "\nThe user is in this area: Hall.",
            "messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": ANSWER}],
            "effects": {},
            "templates": [],
        },
        {
            "kind": "fail_test",
            "act": "refuse",
            "language": "en",
            "tail": "",
            "learn": "last",
            "messages": [
                {"role": "user", "content": "hall light on"},
                {"role": "assistant", "content": "light.turn_on(light.hall)"},
                {"role": "user", "content": "Error: Hall did not do that: no answer"},
                {"role": "assistant", "content": "The Hall Light does not answer."},
            ],
            "effects": {},
            "templates": [],
        },
    ],
}
TEXTS = [form for form in FORMATS.values() if form.write is not None]


@pytest.mark.parametrize("form", TEXTS, ids=lambda form: form.name)
def test_the_integration_reads_what_is_written(form):
    """The calls of a row are those of the home format, and the sentence is the same."""
    row, _ = flat_rows(LINE, form)
    answers = [message["content"] for message in row["messages"] if message["role"] == "assistant"]
    calls, text = _read("\n".join(answers))
    assert calls == CALLS
    assert text.strip() == "All is done."


@pytest.mark.parametrize("form", TEXTS, ids=lambda form: form.name)
def test_the_first_message_is_the_house_with_its_tail(form):
    """Devices, areas and the speaker's area stay in every format; tools are told once."""
    row, _ = flat_rows(LINE, form)
    system = row["messages"][0]["content"]
    assert "Devices:\nlight.hall 'Hall' = on\nThe user is in this area: Hall." in system
    assert system.count("light.turn_on") == 1
    assert row["tools"] is None


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ("minimal", "Services: light.turn_on(brightness), assist.start_timer(duration)"),
        ("reduced", '"parameters":{"properties":{"entity_id":"string","brightness":"integer"}'),
        ("full", '"brightness":{"type":"integer","minimum":0,"maximum":100'),
    ],
)
def test_tools_are_told_in_the_format_that_was_asked_for(tools, told):
    """Each tool format of the integration can be put into the prompt of each markup."""
    for form in TEXTS:
        row, _ = flat_rows(LINE, form, tools)
        assert told in row["messages"][0]["content"]


def test_openai_rows_have_the_structure_of_the_api():
    """Calls are structured, each has its result, and the tools are beside the messages for chat templates."""
    row, failed = flat_rows(LINE, FORMATS["openai"])
    roles = [message["role"] for message in row["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "tool", "assistant"]
    made = row["messages"][2]["tool_calls"]
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in made] == CALLS
    assert [message["tool_call_id"] for message in row["messages"][3:6]] == [call["id"] for call in made]
    assert row["tools"] == TOOLS
    assert [message["role"] for message in failed["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert "no answer" in failed["messages"][3]["content"]
    assert failed["learn"] == "last"


def test_errors_stay_words_where_the_markup_has_no_results():
    """The first Home models are told of an error by a message of the user."""
    _, failed = flat_rows(LINE, FORMATS["home-json"])
    assert failed["messages"][3] == {"role": "user", "content": "Error: Hall did not do that: no answer"}


def test_an_answer_is_read_into_calls_and_sentence():
    """A sentence alone is no call, and calls alone have no sentence."""
    tools = known_tools(TOOLS)
    assert read_answer("It is on.", tools) == ([], "It is on.")
    calls, sentence = read_answer("light.turn_on(light.hall)", tools)
    assert [(call.name, call.arguments) for call in calls] == [CALLS[1]]
    assert sentence == ""


def test_the_server_reads_what_is_written():
    """The markups of the server find the same calls and the same sentence, each in the format of its name."""
    forms = [form for form in TEXTS if form.name != "json"]
    requests = []
    for form in forms:
        row, _ = flat_rows(LINE, form)
        answers = [message["content"] for message in row["messages"] if message["role"] == "assistant"]
        requests.append({"markup": form.name, "tools": TOOLS, "text": "\n".join(answers)})
    done = subprocess.run(
        [ROOT / ".venv/bin/python", Path(__file__).with_name("server_markups.py")],
        input="\n".join(map(json.dumps, requests)),
        env={**os.environ, "PYTHONPATH": str(ROOT / "addon")},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(forms)
    for form, item in zip(forms, found, strict=True):
        assert [(name, arguments) for name, arguments in item["calls"]] == CALLS, form.name
        assert item["text"].strip() == "All is done.", form.name


def _read(content):
    """Return the calls and the text that the integration finds."""
    reader = TextCallReader(known_tools(TOOLS))
    events = [*reader.feed(content), *reader.close()]
    calls = [(event.name, event.arguments) for event in events if isinstance(event, ToolCall)]
    return calls, "".join(event.text for event in events if isinstance(event, TextDelta))
