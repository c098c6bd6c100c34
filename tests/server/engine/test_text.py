"""Text out of token bytes: whole characters and stop strings, however the bytes are cut."""

from hypothesis import given
from hypothesis import strategies as st

from home_llm.engine.text import TextAssembler


def assemble(pieces: list[bytes], stop: list[str]) -> tuple[str, str | None]:
    """Return all text, and the stop string that ended it."""
    assembler = TextAssembler(stop)
    text = ""
    for piece in pieces:
        text += assembler.feed(piece)
        if assembler.stopped_by is not None:
            break
    return text + assembler.close(), assembler.stopped_by


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at some places."""
    points = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *points], [*points, len(data)], strict=True)]


@given(st.text(), st.lists(st.integers(min_value=0, max_value=500), max_size=20))
def test_text_survives_any_cut(text: str, places: list[int]) -> None:
    """Without stop strings the text comes out as it went in, wherever its bytes are cut."""
    assert assemble(cut(text.encode("utf-8"), places), []) == (text, None)


@given(
    st.text(alphabet="ab<|>é", max_size=30),
    st.lists(st.text(alphabet="ab<|>é", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.integers(min_value=0, max_value=100), max_size=20),
)
def test_stop_strings_do_not_depend_on_the_cut(text: str, stop: list[str], places: list[int]) -> None:
    """The text ends before the first stop string, and nothing of it slips out, wherever the bytes are cut."""
    got, by = assemble(cut(text.encode("utf-8"), places), stop)
    if by is None:
        assert got == text
        assert not any(string in text for string in stop)
    else:
        assert text.startswith(got + by)
        assert not any(string in got for string in stop)


def test_a_possible_stop_string_is_held_back() -> None:
    """What may become a stop string is not shown until it cannot."""
    assembler = TextAssembler(["###"])
    assert assembler.feed(b"one #") == "one "
    assert assembler.feed(b"#") == ""
    assert assembler.feed(b" two") == "## two"


def test_half_a_character_is_never_shown() -> None:
    """A character whose last byte never comes is dropped, not shown as a replacement."""
    assembler = TextAssembler()
    assert assembler.feed("é".encode()[:1]) == ""
    assert assembler.close() == ""
