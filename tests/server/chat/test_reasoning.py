"""What is thought is kept apart from what is said."""

import pytest

from home_llm.chat.reasoning import ReasoningSplitter
from home_llm.chat.vocabulary import Reasoning, Text


def split(pieces: list[str], *, thinking: bool = False) -> tuple[str, str]:
    """Return what was thought and what was said."""
    splitter = ReasoningSplitter(thinking=thinking)
    events = [event for piece in pieces for event in splitter.feed(piece)]
    events += splitter.close()
    thought = "".join(event.text for event in events if isinstance(event, Reasoning))
    return thought, "".join(event.text for event in events if isinstance(event, Text))


@pytest.mark.parametrize(
    ("text", "thinking", "expected"),
    [
        ("Hello.", False, ("", "Hello.")),
        ("<think>\nHm.\n</think>\n\nHello.", False, ("\nHm.\n", "Hello.")),
        ("Hm.</think>\n Hello.", True, ("Hm.", "Hello.")),
        ("<think>never ends", False, ("never ends", "")),
        ("a < b <thin> c", False, ("", "a < b <thin> c")),
    ],
)
def test_split(text: str, thinking: bool, expected: tuple[str, str]) -> None:
    """Think blocks become reasoning wherever the text is cut."""
    for place in range(len(text) + 1):
        assert split([text[:place], text[place:]], thinking=thinking) == expected
    assert split(list(text), thinking=thinking) == expected


def test_what_follows_thoughts_that_the_prompt_has_ended() -> None:
    """The blank lines after the end of thoughts are no part of the answer, also where that end stands in the prompt."""
    splitter = ReasoningSplitter(thinking=False, over=True)
    assert list(splitter.feed("\n")) == []
    assert list(splitter.feed("\nHello.\n")) == [Text("Hello.\n")]
