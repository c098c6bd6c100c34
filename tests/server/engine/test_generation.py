"""Handing out events."""

from home_llm.engine import Chunk, Done, FinishReason, GenerationRequest
from home_llm.engine.generation import Event, Generation, Timings


def test_text_is_gathered() -> None:
    """The first text is sent at once, what follows at once is sent together, and all of it before the end."""
    generation = Generation(GenerationRequest(prompt=(1,)))
    generation.put(Chunk("a"))
    assert generation.next_event(0) == Chunk("a")
    for letter in "bcd":
        generation.put(Chunk(letter))
    assert generation.next_event(0) is None
    done = Done(FinishReason.STOP, Timings(0, 1, 1.0, 4, 1.0))
    generation.put(done)
    events: list[Event] = list(generation.events())
    assert events == [Chunk("bcd"), done]
