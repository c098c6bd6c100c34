"""Every family's calls: read the same however the text is cut, and what is no call is said, once."""

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from home_llm.chat.markups import MARKUPS
from home_llm.chat.vocabulary import Text, ToolCall
from markup_texts import LIGHT, OPENINGS, STOP, TOOLS, UNWRITABLE, Call, answer, calls_of, cut, every_cut, words

FAMILIES = sorted(OPENINGS)
KITCHEN: Call = ("light.set", {"room": "Kitchen", "brightness": 40})
HALL: Call = ("light.set", {"room": "Hall"})
ALL: Call = ("stop_all", {})

# markup, what the model writes, what of it is said, what is called: as the families' documentation and models show it,
# with what models get wrong about it.
ANSWERS: list[tuple[str, str, str, list[Call]]] = [
    (
        "hermes",
        '<tool_call>\n{"name": "light.set", "arguments": {"room": "Hall"}}\n{"name": "stop_all"}\n</tool_call>',
        "",
        [HALL, ALL],
    ),
    ("hermes", '<tool_call>{"name": "stop_all", "arguments": {}} and done', "and done", [ALL]),
    ("hermes", "Well. <tool_call>light.set</tool_call> Yes.", "Well. light.set Yes.", []),
    (
        "hermes",
        '<tool_call>{"name": "say", "arguments": {"t": "</tool_call>"}}</tool_call>',
        "",
        [("say", {"t": "</tool_call>"})],
    ),
    ("smollm", '<tool_call>[{"name": "stop_all", "arguments": {}}]</tool_call>', "", [ALL]),
    ("smollm", "<tool_call>[]</tool_call>No.", "No.", []),
    (
        "qwen-coder",
        (
            "On it.\n<tool_call>\n<function=light.set>\n<parameter=room>\nKitchen\n</parameter>\n"
            "<parameter=brightness>\n40\n</parameter>\n</function>\n</tool_call>"
        ),
        "On it.",
        [KITCHEN],
    ),
    ("qwen-coder", "<function=light.set><parameter=room>Hall</parameter></function></tool_call>", "", [HALL]),
    ("qwen-coder", '<tool_call>{"name": "stop_all", "arguments": {}}</tool_call>', "", [ALL]),
    (
        "qwen-coder",
        (
            "<tool_call>\n<function=light.set>\n<parameter=words>\n40\n</parameter>\n<parameter=on>\nTrue\n</parameter>\n"
            "<parameter=other>\n[1]\n</parameter>\n</function>\n</tool_call>"
        ),
        "",
        [("light.set", {"words": "40", "on": True, "other": [1]})],
    ),
    ("llama3", '{"name": "light.set", "parameters": {"room": "Hall"}}', "", [HALL]),
    (
        "llama3",
        (
            '<|python_tag|>{"type": "function", "name": "stop_all", "parameters": {}}; '
            '{"name": "light.set", "parameters": {"room": "Hall"}}'
        ),
        "",
        [ALL, HALL],
    ),
    ("llama3", '<|python_tag|>stop_all.call(query="now")', "", [("stop_all", {"query": "now"})]),
    ("llama3", '{"name": "Bob", "parameters": {}}', '{"name": "Bob", "parameters": {}}', []),
    ("llama3", 'It is {"name": "stop_all", "parameters": {}}', 'It is {"name": "stop_all", "parameters": {}}', []),
    ("llama3", '{"temperature": 21}', '{"temperature": 21}', []),
    ("mistral", '[TOOL_CALLS] [{"name": "stop_all", "arguments": {}, "id": "abcdefghi"}]', "", [ALL]),
    ("mistral", '[TOOL_CALLS]light.set[CALL_ID]abcdefghi[ARGS]{"room": "Hall"}', "", [HALL]),
    (
        "mistral-args",
        'Sure.[TOOL_CALLS]light.set[ARGS]{"room": "Hall"}[TOOL_CALLS]stop_all[ARGS]{}',
        "Sure.",
        [HALL, ALL],
    ),
    ("mistral-args", "[TOOL_CALLS] is a marker [TOO", "is a marker [TOO", []),
    ("gemma", '```tool_code\nlight.set(room="Kitchen", brightness=40)\n```', "", [KITCHEN]),
    ("gemma", "```tool_code\nprint(light.set('Hall'))\nstop_all()\n```\nDone.", "Done.", [HALL, ALL]),
    ("gemma", "```tool_code\nx = 1\n```", "```tool_code\nx = 1\n```", []),
    (
        "functiongemma",
        (
            "<start_function_call>call:light.set{room:<escape>Kitchen<escape>,brightness:40}<end_function_call>"
            "<start_function_call>call:stop_all{}<end_function_call>"
        ),
        "",
        [KITCHEN, ALL],
    ),
    ("functiongemma", "<start_function_call>call:light.set{room:Hall}<end_function_call>", "", [HALL]),
    ("gemma4", '<|tool_call>call:light.set{room:<|"|>Hall<|"|>}<tool_call|>', "", [HALL]),
    (
        "gemma4",
        '<|tool_call>call:x{a:[1,<|"|>b<|"|>],c:{d:true,<|"|>e f<|"|>:null}}<tool_call|>',
        "",
        [("x", {"a": [1, "b"], "c": {"d": True, "e f": None}})],
    ),
    ("phi", '<|tool_call|>[{"name": "stop_all", "arguments": {}}]<|/tool_call|>', "", [ALL]),
    (
        "phi",
        (
            '<|tool_call|>[{"type": "function", "function": {"name": "light.set", "arguments": {"room": "Hall"}}}]'
            "<|/tool_call|>"
        ),
        "",
        [HALL],
    ),
    ("phi", ' functools[{"name": "stop_all", "arguments": {}}]', "", [ALL]),
    ("granite", '<|tool_call|>[{"name": "stop_all", "arguments": {}}]', "", [ALL]),
    ("granite", '<tool_call>[{"name": "light.set", "arguments": {"room": "Hall"}}]', "", [HALL]),
    ("lfm2", '<|tool_call_start|>[light.set(room="Hall"), stop_all()]<|tool_call_end|>Done.', "Done.", [HALL, ALL]),
    ("lfm2", '<|tool_call_start|>[{"name": "stop_all", "arguments": {}}]<|tool_call_end|>', "", [ALL]),
    (
        "gpt-oss",
        (
            "<|channel|>analysis<|message|>The hall.<|end|><|start|>assistant<|channel|>commentary "
            'to=functions.light.set <|constrain|>json<|message|>{"room": "Hall"}<|call|>'
        ),
        "",
        [HALL],
    ),
    ("gpt-oss", " to=functions.stop_all<|channel|>commentary json<|message|>{}<|call|>", "", [ALL]),
    ("gpt-oss", "<|channel|>commentary to=functions.stop_all<|message|>", "", [ALL]),
    ("gpt-oss", "<|channel|>final<|message|>It is on.<|return|>", "It is on.", []),
    ("gpt-oss", "Just words, < and |.", "Just words, < and |.", []),
    ("gpt-oss", "<|channel|>commentary to=functions.stop_all<|message|>not JSON<|call|>", "not JSON", []),
    (
        "home-block",
        "turning it on\n```homeassistant\nlight.set(Kitchen, brightness=40)\n```",
        "turning it on",
        [KITCHEN],
    ),
    ("home-block", "```homeassistant\nswitch.on(switch.pump)\n```", "", [("switch.on", {"entity_id": "switch.pump"})]),
    ("home-block", "```homeassistant\nno call\n```", "```homeassistant\nno call\n```", []),
    (
        "home-json",
        'on it\n```homeassistant\n{"service": "light.set", "target_device": "Kitchen", "brightness": 40}\n```',
        "on it",
        [KITCHEN],
    ),
    ("home-json", '```homeassistant\n{"name": "stop_all", "arguments": {}}\n```', "", [ALL]),
    (
        "functioncall",
        'It is.\n<functioncall> {"name":"light.set","arguments":{"room":"Hall"}}',
        "It is.",
        [HALL],
    ),
    ("any", '```json\n{"name": "light.set", "arguments": {"room": "Hall"}}\n```', "", [HALL]),
    ("any", '```\n[{"name": "stop_all", "arguments": {}}]\n```\nDone.', "Done.", [ALL]),
    ("any", 'Sure!\n{"name": "light.set", "parameters": {"room": "Hall"}}', "Sure!", [HALL]),
    ("any", '{"tool": "stop_all", "args": "{}"}', "", [ALL]),
    ("any", '```json\n{"state": [1]}\n```\nThat is all.', '```json\n{"state": [1]}\n```\nThat is all.', []),
    ("any", "```python\nprint(1)\n```", "```python\nprint(1)\n```", []),
    ("any", '{"name": "Bob", "arguments": {}}', '{"name": "Bob", "arguments": {}}', []),
    ("any", '[TOOL_CALLS][{"name": "stop_all", "arguments": {}}]', "", [ALL]),
    ("any", "[TO", "[TO", []),
    ("any", "<tool_calls>[{'name': 'stop_all', 'arguments': {}}]</tool_calls>", "", [ALL]),
    ("any", "<|tool_call_start|>[stop_all()]<|tool_call_end|>", "", [ALL]),
    ("any", "<tool_call>\n<function=stop_all>\n</function>\n</tool_call>", "", [ALL]),
    ("any", "<|python_tag|>stop_all()", "", [ALL]),
]


@pytest.mark.parametrize(("name", "text", "said", "calls"), ANSWERS)
def test_answers(name: str, text: str, said: str, calls: list[Call]) -> None:
    """What a family's models write is read as it is meant, wherever it is cut."""
    for pieces in every_cut(text):
        got, _, called = calls_of(MARKUPS[name].parser(TOOLS), pieces)
        assert (got, called) == (said, calls), pieces


def test_thoughts_of_gpt_oss() -> None:
    """The analysis channel is thought, the others are said, and headers are neither."""
    text = (
        "<|channel|>analysis<|message|>Hm.\n<|end|><|start|>assistant<|channel|>commentary<|message|>One moment.<|end|>"
        "<|start|>assistant<|channel|>final<|message|>Yes."
    )
    for pieces in every_cut(text):
        assert calls_of(MARKUPS["gpt-oss"].parser(TOOLS), pieces) == ("One moment.Yes.", "Hm.\n", [])


TEXTS = st.text(alphabet="ab é👋.,:;<|>{}[]()`\"'/\n_=", max_size=24)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "room": st.sampled_from(["Kitchen", "Hall"]),
    "words": st.text(max_size=20) | TEXTS,
    "brightness": st.integers(),
    "ratio": st.floats(allow_nan=False, allow_infinity=False),
    "on": st.booleans(),
    "names": st.lists(TEXTS, max_size=3),
    "detail": st.dictionaries(
        st.from_regex(r"[a-z_ ]{1,8}", fullmatch=True),
        st.recursive(
            st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=2), max_leaves=4
        ),
        max_size=3,
    ),
}
ARGUMENTS = st.fixed_dictionaries({"room": VALUES["room"]}, optional={name: VALUES[name] for name in list(VALUES)[1:]})
CALLS = st.one_of(
    ARGUMENTS.map(lambda arguments: ToolCall(LIGHT.name, arguments)),
    st.just(None).map(lambda _: ToolCall(STOP.name, {})),
)


def writable(name: str, calls: list[ToolCall]) -> bool:
    """Return whether a markup can write the strings of calls."""
    written = json.dumps([call.arguments for call in calls], ensure_ascii=False)
    return not any(json.dumps(text)[1:-1] in written for text in UNWRITABLE.get(name, ()))


@pytest.mark.parametrize("name", FAMILIES)
@settings(deadline=None)
@given(calls=st.lists(CALLS, min_size=1, max_size=3), places=st.lists(st.integers(0, 999), max_size=4))
def test_what_is_written_is_read(name: str, calls: list[ToolCall], places: list[int]) -> None:
    """Calls with any arguments are read back as they were written, wherever the text is cut."""
    assume(writable(name, calls))
    text = MARKUPS[name].write_calls(calls, TOOLS)
    said, _, called = calls_of(MARKUPS[name].parser(TOOLS), cut(text, places))
    assert called == [(call.name, call.arguments) for call in calls]
    assert said == ""


@pytest.mark.parametrize("name", FAMILIES)
@settings(deadline=None)
@given(data=st.data(), places=st.lists(st.integers(0, 999), max_size=6))
def test_texts_and_calls(name: str, data: st.DataObject, places: list[int]) -> None:
    """Texts, near-markers and calls in any order: every text is said once, every call made, and no markup is said."""
    nearly = st.sampled_from([opening[:length] for opening in OPENINGS[name] for length in range(1, len(opening))])
    texts = st.lists(TEXTS | nearly | st.sampled_from(["Sure.", "It is 21 °C.", "👍 grün"]), max_size=4).map("".join)
    parts: list[str | list[ToolCall]] = []
    if name == "llama3":
        # A call without a marker is one at the beginning of the answer.
        parts.append(data.draw(st.lists(CALLS, min_size=1, max_size=2)))
        parts.append(data.draw(texts))
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            parts += [data.draw(texts), data.draw(st.lists(CALLS, min_size=1, max_size=2))]
        parts.append(data.draw(texts))
    spoken = [part for part in parts if isinstance(part, str)]
    made = [call for part in parts if isinstance(part, list) for call in part]
    text = answer(name, parts)
    assume(writable(name, made))
    assume(not any(opening in part + "\n" for part in spoken for opening in OPENINGS[name]))
    said, _, called = calls_of(MARKUPS[name].parser(TOOLS), [text])
    assert called == [(call.name, call.arguments) for call in made]
    assert words(said) == words("".join(spoken))
    assert calls_of(MARKUPS[name].parser(TOOLS), cut(text, places)) == (said, "", called)
    assert calls_of(MARKUPS[name].parser(TOOLS), list(text)) == (said, "", called)


@pytest.mark.parametrize("name", FAMILIES)
@settings(deadline=None)
@given(data=st.data(), places=st.lists(st.integers(0, 999), max_size=6), truncated=st.booleans())
def test_any_text_reads_the_same_however_cut(
    name: str, data: st.DataObject, places: list[int], truncated: bool
) -> None:
    """Whatever a model writes, and wherever it stops, the reading does not depend on the cut."""
    call = MARKUPS[name].write_calls([ToolCall(*KITCHEN)], TOOLS)
    pieces = st.sampled_from([*OPENINGS[name], call, call[: len(call) // 2], call[len(call) // 2 :], "{", "```", "\n"])
    text = data.draw(st.lists(pieces | TEXTS, max_size=6).map("".join))
    whole = calls_of(MARKUPS[name].parser(TOOLS), [text], truncated=truncated)
    assert calls_of(MARKUPS[name].parser(TOOLS), cut(text, places), truncated=truncated) == whole
    assert calls_of(MARKUPS[name].parser(TOOLS), list(text), truncated=truncated) == whole
    # What is said stands in the text in its order.
    rest = iter(words(text))
    assert all(character in rest for character in words(whole[0]))


@pytest.mark.parametrize("name", FAMILIES)
def test_truncated_calls(name: str) -> None:
    """A call that the token limit cuts is not made, and nothing of it is said."""
    text = MARKUPS[name].write_calls([ToolCall(*KITCHEN)], TOOLS)
    for length in range(2, len(text)):
        said, _, called = calls_of(MARKUPS[name].parser(TOOLS), [text[:length]], truncated=True)
        assert said == ""
        assert called in ([], [KITCHEN])
        if called:
            # Nothing was missing but the end of the markup.
            assert "40" in text[:length]


@pytest.mark.parametrize("name", FAMILIES)
def test_text_flows(name: str) -> None:
    """A text is passed on as soon as it cannot be the beginning of a call."""
    parser = MARKUPS[name].parser(TOOLS)
    begin = "<|channel|>final<|message|>" if name == "gpt-oss" else ""
    assert list(parser.feed(f"{begin}The")) == [Text("The")]
    assert list(parser.feed(" light")) == [Text(" light")]
    opening = OPENINGS[name][0]
    assert list(parser.feed(opening[0])) == []
    assert list(parser.feed("!")) == [Text(f"{opening[0]}!")]


def test_huge_and_deep_arguments() -> None:
    """Numbers without end, halves of characters and arguments without bottom are no call and no crash."""
    for body in (
        '{"name": "stop_all", "arguments": {"n": 1e999}}',
        '{"name": "stop_all", "arguments": {"n": ' + "9" * 5000 + "}}",
        '{"name": "stop_all", "arguments": ' + '{"a": ' * 5000 + "1" + "}" * 5001,
        '{"name": "stop_all", "arguments": {"n": NaN}}',
    ):
        said, _, called = calls_of(MARKUPS["hermes"].parser(TOOLS), [f"<tool_call>{body}</tool_call>"])
        assert called == []
        assert said == body
    half = '<tool_call>{"name": "stop_all", "arguments": {"n": "\\ud83d"}}</tool_call>'
    _, _, called = calls_of(MARKUPS["hermes"].parser(TOOLS), [half])
    assert called == [("stop_all", {"n": "�"})]


@pytest.mark.parametrize("name", sorted(MARKUPS))
def test_descriptions(name: str) -> None:
    """A description names every tool, and its example is read as a call where the family's calls need no tool."""
    markup = MARKUPS[name]
    described = markup.describe(TOOLS)
    assert all(tool.name in described for tool in TOOLS)
    if not name.startswith("home") and name != "llama3":
        _, _, called = calls_of(markup.parser(TOOLS), [described.rpartition(":\n")[2]])
        assert called == [("function_name", {"parameter": "value"})]
