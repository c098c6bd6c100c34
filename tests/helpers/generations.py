"""What the engine's tests do with generations."""

from home_llm.engine import Chunk, Done, Engine, Failed, Generation, GenerationRequest
from home_llm.llama import SamplingParameters

GREEDY = SamplingParameters(temperature=0)


def finish(generation: Generation) -> tuple[str, Done]:
    """Wait for the end; return the text and how it ended."""
    text = ""
    for event in generation.events():
        assert not isinstance(event, Failed), event.error
        if isinstance(event, Done):
            return text, event
        text += event.text if isinstance(event, Chunk) else ""
    raise AssertionError("no end")


def answer(engine: Engine, request: GenerationRequest) -> str:
    """Return the text of an answer."""
    return finish(engine.submit(request))[0]
