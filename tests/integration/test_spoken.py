"""What is spoken: sentences, thoughts apart, and questions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

import pytest

from custom_components.home_llm.chat_events import ChatEvent, Finish, ReasoningDelta, TextDelta, ToolCall
from custom_components.home_llm.spoken import LONGEST_WAIT, SentenceCutter, ThoughtFilter, asks_back, spoken_events


def cuts(text: str) -> Iterable[list[str]]:
    """Yield a text cut at every place, and into single characters."""
    yield list(text)
    for at in range(len(text) + 1):
        yield [text[:at], text[at:]]


def sentences(parts: Iterable[str]) -> list[str]:
    """Return what is spoken of a text that comes in parts."""
    cutter = SentenceCutter()
    return [piece for part in parts for piece in cutter.feed(part)] + list(cutter.close())


def thoughts(parts: Iterable[str]) -> tuple[str, str]:
    """Return what is said and what is thought of a text that comes in parts."""
    found = ThoughtFilter()
    pieces = [piece for part in parts for piece in found.feed(part)] + list(found.close())
    assert all(piece.text for piece in pieces)
    return (
        "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)),
        "".join(piece.text for piece in pieces if isinstance(piece, ReasoningDelta)),
    )


def test_sentences_one_after_the_other() -> None:
    """An engine that speaks gets whole sentences; very short ones are not worth a breath of their own."""
    assert sentences(["The light is on. It was off before! Ok? Is it 12.5 °C outside? Yes"]) == [
        "The light is on. ",
        "It was off before! ",
        "Ok? Is it 12.5 °C outside? ",
        "Yes",
    ]


@pytest.mark.parametrize(
    "text", ["The light is on. And the fan is off. Good night!", "", "   ", "\n\na", "Hello\nworld and more\n"]
)
def test_nothing_is_lost(text: str) -> None:
    """The pieces are the text, wherever it is cut."""
    for parts in cuts(text):
        assert "".join(sentences(parts)) == text


def test_a_sentence_without_an_end_is_not_waited_for() -> None:
    """A long sentence is handed on at a comma or between words."""
    text = ("one two three four, " * 20).strip()
    pieces = sentences(list(text))
    assert max(map(len, pieces)) <= LONGEST_WAIT + 1
    assert all(piece.endswith((", ", "four,")) for piece in pieces)
    assert "".join(pieces) == text
    words = sentences(list("abcdefg " * 40))
    assert max(map(len, words)) <= LONGEST_WAIT + 1


@pytest.mark.parametrize(
    ("text", "said", "thought"),
    [
        ("<think>secret</think>\n\nIt is on.", "It is on.", "secret"),
        ("<think>\nif x < 5 then\n</think>Yes.", "Yes.", "\nif x < 5 then\n"),
        ("if x < 5 then 5", "if x < 5 then 5", ""),
        ("a <thin line", "a <thin line", ""),
        ("a<think>b</think>c<think>d</think>e", "ace", "bd"),
        ("<think>never closed", "", "never closed"),
        ("<", "<", ""),
        ("a <think", "a <think", ""),
        ("", "", ""),
    ],
)
def test_thoughts_are_told_from_speech(text: str, said: str, thought: str) -> None:
    """Tags are found wherever the text is cut, nothing is doubled, lost or spoken with its tag."""
    for parts in cuts(text):
        assert thoughts(parts) == (said, thought)


async def test_events() -> None:
    """Sentences come as soon as they are whole, and what was said before a call comes before it."""

    async def events() -> AsyncGenerator[ChatEvent]:
        for text in ("<thi", "nk>hm</think>", "I am turning", " it on. Just", " a moment"):
            yield TextDelta(text)
        yield ToolCall("1", "light.turn_on", {})
        yield TextDelta("\nDone.")
        yield Finish("stop")

    assert [event async for event in spoken_events(events())] == [
        ReasoningDelta("hm"),
        TextDelta("I am turning it on. "),
        TextDelta("Just a moment"),
        ToolCall("1", "light.turn_on", {}),
        TextDelta("\nDone."),
        Finish("stop"),
    ]


async def test_what_is_pending_at_a_call_and_at_the_end() -> None:
    """What may have become a tag is said before the call that follows it, and at the end of a stream without an end."""

    async def events() -> AsyncGenerator[ChatEvent]:
        yield TextDelta("a <th")
        yield ToolCall("1", "light.turn_on", {})
        yield TextDelta("<think>b</thi")
        yield ReasoningDelta("c")
        yield TextDelta("d</think>e <")

    assert [event async for event in spoken_events(events())] == [
        TextDelta("a <th"),
        ToolCall("1", "light.turn_on", {}),
        ReasoningDelta("b"),
        ReasoningDelta("</thi"),
        ReasoningDelta("c"),
        ReasoningDelta("d"),
        TextDelta("e <"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Which light?", True),
        ("Which light? 🙂", True),
        ("«Welche Lampe?»", True),
        ("Which one? The left or the right.", True),
        ("¿Qué luz?", True),
        ("你要开哪盏灯\uff1f", True),
        ("It is on.", False),
        ("Did you know? The light has been on for more than three hours this morning already.", False),
        ("Done;", False),
        ("", False),
        (None, False),
    ],
)
def test_asking_back(text: str | None, expected: bool) -> None:
    """A question keeps the conversation open, whatever stands behind its mark."""
    assert asks_back(text) is expected


def test_a_rhetorical_question_before_a_report() -> None:
    """Where something was done, only a question at the very end asks."""
    assert not asks_back("You want it bright? Turning it on.", acted=True)
    assert asks_back("It is on. Shall I turn on the others too?", acted=True)
