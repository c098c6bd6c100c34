"""Which tokens are told with the content: those of it, and none of markup and reasoning."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from home_llm.chat import Event, Finish, Text, Tool
from home_llm.chat.content import Positions
from home_llm.chat.markups import MARKUPS
from home_llm.chat.reasoning import ReasoningSplitter
from home_llm.chat.reply import Reply
from home_llm.engine import Chunk, Done, FinishReason, Generation, GenerationRequest, Timings, TokenLogprob

LIGHT = Tool("light.turn_on", "", {"type": "object", "properties": {"entity_id": {"enum": ["light.a"]}}})
CALL = f"<tool_call>\n{json.dumps({'name': 'light.turn_on', 'arguments': {}})}\n</tool_call>"
TIMINGS = Timings(0, 1, 1.0, 1, 1.0)

# markup, what the model wrote, in pieces, and whether each piece is content.
ANSWERS: list[tuple[str | None, list[tuple[str, bool]]]] = [
    (None, [("Hello wörld 👋", True)]),
    (None, [("<think>\nHello?\n</think>", False), ("\n\n", False), ("Hello wörld", True)]),
    (None, [("Well<", True), ("<think>t</think>", False), ("think. A <b>", True)]),
    ("hermes", [("Sure.", True), ("\n" + CALL + "\n", False)]),
    ("hermes", [("<think>\nSure.</think>\n\n", False), ("Sure.", True), (" \n", False), (CALL, False)]),
    ("hermes", [(CALL + "\n" + CALL + "\n", False), ("Done: light <tool_cal", True)]),
    ("hermes", [("<tool_call>", False), ("junk", True), ("</tool_call>", False), ("and text", True)]),
    ("home", [("<think>light?</think>\n", False), ("light.turn_on(light.a)\n", False), ("light is on.\nYes.", True)]),
    ("home", [("It is on.\n", True), ("light.turn_on(light.a)", False)]),
]


def text_of(answer: list[tuple[str, bool]]) -> str:
    """Return what the model wrote."""
    return "".join(piece for piece, _ in answer)


def content_of(answer: list[tuple[str, bool]]) -> str:
    """Return what of it is content."""
    return "".join(piece for piece, content in answer if content)


def read(markup: str | None, tokens: list[str], rest: tuple[TokenLogprob, ...] = ()) -> tuple[list[Text], Finish]:
    """Return the content of an answer that is made of these tokens, each in a chunk of its own."""
    generation, position = Generation(GenerationRequest((1,))), 0
    for number, text in enumerate(tokens):
        token = TokenLogprob(number, text.encode(), -1.0, (), position, position + len(text))
        generation.put(Chunk(text, (token,)))
        position += len(text)
    generation.put(Done(FinishReason.STOP, TIMINGS, None, rest))
    parser = MARKUPS[markup].parser((LIGHT,)) if markup else None
    events: list[Event] = list(Reply(generation, parser, ReasoningSplitter(thinking=False)).events())
    finish = events[-1]
    assert isinstance(finish, Finish)
    return [event for event in events if isinstance(event, Text)], finish


@pytest.mark.parametrize(("markup", "answer"), ANSWERS)
def test_characters(markup: str | None, answer: list[tuple[str, bool]]) -> None:
    """Where each character is a token, the tokens are the content to the character, and come with their piece."""
    texts, finish = read(markup, list(text_of(answer)))
    assert "".join(text.text for text in texts) == content_of(answer)
    for text in texts:
        assert b"".join(token.piece for token in text.logprobs).decode() == text.text
    assert finish.logprobs == ()


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 200), max_size=12))
def test_any_tokens(row: tuple[str | None, list[tuple[str, bool]]], places: list[int]) -> None:
    """However the text falls into tokens, those are told that a part of the content is in, in order and once."""
    markup, answer = row
    written = text_of(answer)
    points = sorted({0, len(written), *(place % len(written) for place in places)})
    tokens = [written[begin:end] for begin, end in itertools.pairwise(points)]
    is_content = [content for piece, content in answer for _ in piece]
    expected = [number for number, (begin, end) in enumerate(itertools.pairwise(points)) if any(is_content[begin:end])]
    texts, finish = read(markup, tokens)
    told = [token.token for text in texts for token in text.logprobs]
    assert told + [token.token for token in finish.logprobs] == expected


@pytest.mark.parametrize(("text", "told"), [("Hello", 1), (f"Hello{CALL}", 0), ("", 1)])
def test_what_has_no_text(text: str, told: int) -> None:
    """Half a character at the end is told with the end when it follows the content, and not when it follows a call."""
    half = TokenLogprob(99, b"\xf0\x9f", -1.0, (), len(text), len(text) + 1)
    _, finish = read("hermes", list(text), (half,))
    assert len(finish.logprobs) == told


@pytest.mark.parametrize("name", ["hermes", "home"])
@given(st.text(alphabet="ab \n<l", max_size=20), st.lists(st.integers(0, 99), max_size=6), st.booleans())
def test_parsers_tell_where(name: str, rest: str, places: list[int], junk: bool) -> None:
    """A text that a parser yields stands where it says, in all that the parser was fed, wherever that is cut."""
    middle = f"<tool_call>{rest}</tool_call>" if junk else f"{CALL}\nlight.turn_on(light.a)\n"
    fed = f"{rest}{middle}{rest}"
    points = sorted({0, len(fed), *(place % len(fed) for place in places)})
    parser = MARKUPS[name].parser((LIGHT,))
    events = [event for begin, end in itertools.pairwise(points) for event in parser.feed(fed[begin:end])]
    events += parser.close(truncated=False)
    for event in events:
        if isinstance(event, Text):
            assert fed[event.at : event.at + len(event.text)] == event.text


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=6), st.data())
def test_positions(pieces: list[tuple[int, int]], data: st.DataObject) -> None:
    """What was passed on is found again in the text, character for character."""
    positions = Positions()
    where: list[int] = []
    end = 0
    for gap, length in pieces:
        begin, end = end + gap, end + gap + length
        positions.passed(begin, length)
        where += range(begin, end)
    place = 0
    while place < len(where):
        length = data.draw(st.integers(1, len(where) - place))
        found = [at for begin, end in positions.ranges(place, length) for at in range(begin, end)]
        assert found == where[place : place + length]
        place += length
