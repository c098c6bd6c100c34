"""What answers cost: reading it, measuring it, and understanding refusals. Without Home Assistant."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from custom_components.home_llm.chat_events import ChatEvent, ChunkReader, Finish, TextDelta
from custom_components.home_llm.measure import Answer, Totals, answers_of_turn, measured, note_answer
from custom_components.home_llm.metrics import Queue, read_queue, read_slots
from custom_components.home_llm.modalities import sees
from custom_components.home_llm.refusal_words import is_context_refusal, is_tools_refusal
from custom_components.home_llm.usage import Usage, read_usage


@pytest.mark.parametrize(
    ("payload", "usage"),
    [
        ({}, None),
        ({"usage": None, "timings": "soon"}, None),
        ({"usage": {"prompt_tokens": 9, "completion_tokens": 3}}, Usage(9, None, 3)),
        ({"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}}, Usage(9, 4)),
        ({"usage": {"prompt_tokens": "nine", "completion_tokens": True}}, None),
        (
            {"timings": {"cache_n": 30, "prompt_n": 2, "predicted_n": 20, "predicted_per_second": 67.5}},
            Usage(32, 30, 20, 67.5),
        ),
        ({"timings": {"predicted_n": 1, "predicted_per_second": 0}}, Usage(completion_tokens=1)),
    ],
)
def test_read_usage(payload: dict[str, Any], usage: Usage | None) -> None:
    """OpenAI's usage and llama-server's timings are read, and what makes no sense is left out."""
    assert read_usage(payload) == usage


def test_usage_is_an_event() -> None:
    """A reader hands the numbers out of the finish chunk, and of a chunk without choices."""
    reader = ChunkReader()
    finish = {"choices": [{"delta": {}, "finish_reason": "stop"}], "timings": {"predicted_n": 5}}
    assert list(reader.read(finish)) == [Usage(completion_tokens=5), Finish("stop")]
    assert list(reader.read({"choices": [], "usage": {"prompt_tokens": 7}})) == [Usage(prompt_tokens=7)]


class Clock:
    """A clock that goes on by one second with every look."""

    def __init__(self) -> None:
        """Start at zero."""
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        self.now += 1
        return self.now


async def stream(*events: ChatEvent) -> AsyncGenerator[ChatEvent]:
    """Yield events."""
    for event in events:
        yield event


async def test_measured() -> None:
    """The first word is timed, the speed is worked out, and the numbers do not reach the reader."""
    answers: list[Answer] = []
    events = measured(
        stream(TextDelta("a"), TextDelta("b"), Usage(completion_tokens=4), Finish("stop"), Usage(10, 5)),
        answers.append,
        Clock(),
    )
    assert [event async for event in events] == [TextDelta("a"), TextDelta("b"), Finish("stop")]
    assert answers == [Answer(1.0, 2.0, 10, 5, 4, 4.0)]
    assert answers[0].cache_hit_rate == 0.5


async def test_measured_believes_the_server() -> None:
    """A speed that the server tells is not worked out, and an answer without words has no first one."""
    answers: list[Answer] = []
    async for _ in measured(stream(Usage(tokens_per_second=9.0), Finish("stop")), answers.append, Clock()):
        pass
    assert answers == [Answer(None, 1.0, None, None, None, 9.0)]
    assert answers[0].cache_hit_rate is None


async def test_an_answer_that_nobody_reads_is_not_measured() -> None:
    """Closing a stream early reports nothing."""
    answers: list[Answer] = []
    events = measured(stream(TextDelta("a"), Finish("stop")), answers.append)
    assert await anext(events) == TextDelta("a")
    await events.aclose()
    assert answers == []


def test_totals_and_turns() -> None:
    """Answers are added up, and collected for the turn that they belong to."""
    answer = Answer(1.0, 2.0, 10, 20, 4, 4.0)
    totals = Totals()
    totals.add(answer)
    totals.add(Answer(None, 2.0, None, None, None, None))
    assert (totals.answers, totals.prompt_tokens, totals.completion_tokens) == (2, 10, 4)
    assert answer.cache_hit_rate == 1
    note_answer(answer)
    with answers_of_turn() as answers:
        note_answer(answer)
        with answers_of_turn() as inner:
            note_answer(answer)
        assert (len(answers), len(inner)) == (1, 1)
    note_answer(answer)
    assert len(answers) == 1


METRICS = """# HELP llamacpp:requests_processing Requests that run.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 2.0
llamacpp:requests_deferred 3.0
llamacpp:tokens_predicted_total 900.0
"""


@pytest.mark.parametrize(
    ("text", "queue"),
    [
        (METRICS, Queue(2, 3)),
        ('llamacpp:requests_processing{model="a"} 1\nllamacpp:requests_processing{model="b"} 1', Queue(2, 0)),
        ("up 1", None),
        ("llamacpp:requests_processing many", None),
        ("llamacpp:requests_processing ", None),
        ("<html>", None),
    ],
)
def test_read_queue(text: str, queue: Queue | None) -> None:
    """The gauges of the queue are found among other metrics, and only there."""
    assert read_queue(text) == queue
    assert queue is None or queue.length == queue.running + queue.waiting


@pytest.mark.parametrize(
    ("text", "queue"),
    [
        ('[{"is_processing": true}, {"is_processing": false}, {}, 7]', Queue(1, 0)),
        ("[]", Queue(0, 0)),
        ('{"error": "off"}', None),
        ("<html>", None),
    ],
)
def test_read_slots(text: str, queue: Queue | None) -> None:
    """Slots that work are counted."""
    assert read_slots(text) == queue


@pytest.mark.parametrize(
    ("model", "listing", "answer"),
    [
        ({"id": "a"}, {}, None),
        ({"id": "a", "architecture": {"input_modalities": ["text", "image"]}}, {}, True),
        ({"id": "a", "architecture": {"input_modalities": ["text"]}}, {}, False),
        ({"id": "a", "capabilities": {"vision": True, "tools": True}}, {}, True),
        ({"id": "a", "capabilities": {"vision": False}}, {}, False),
        ({"id": "a", "capabilities": {"tools": True}}, {}, None),
        ({"id": "a"}, {"models": [{"name": "a", "capabilities": ["completion", "multimodal"]}]}, True),
        ({"id": "a"}, {"models": [{"name": "b", "capabilities": ["multimodal"]}, "x"]}, None),
        ({"id": "a", "modalities": "image"}, {"models": "many"}, None),
    ],
)
def test_sees(model: dict[str, Any], listing: dict[str, Any], answer: bool | None) -> None:
    """Whether a model sees is found where the known servers write it."""
    assert sees(model, listing) is answer


@pytest.mark.parametrize(
    "message",
    [
        "The prompt has 9000 tokens and the context holds 8192. Expose fewer devices.",
        "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
        "context_length_exceeded",
    ],
)
def test_context_refusals(message: str) -> None:
    """The words of the known servers about a prompt that is too long."""
    assert is_context_refusal(message)
    assert not is_tools_refusal(message)


@pytest.mark.parametrize(
    "message",
    [
        "tools param requires --jinja flag",
        "registry.ollama.ai/library/phi3 does not support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "This model does not support function calling",
    ],
)
def test_tools_refusals(message: str) -> None:
    """The words of the known servers about tools."""
    assert is_tools_refusal(message)
    assert not is_context_refusal(message)


@pytest.mark.parametrize("message", ["Wrong API key", "the script is over", "tools.0.function: Field required"])
def test_other_refusals(message: str) -> None:
    """Other errors are neither."""
    assert not is_tools_refusal(message)
    assert not is_context_refusal(message)
