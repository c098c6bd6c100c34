"""Several requests in one context: together, in turn, beyond its size."""

import itertools
import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generations import GREEDY, finish
from home_llm.engine import (
    Chunk,
    Constraint,
    ConstraintKind,
    Engine,
    EngineOptions,
    FinishReason,
    GenerationRequest,
)
from home_llm.llama import Model

SCHEMA = {
    "type": "object",
    "properties": {"room": {"enum": ["kitchen", "living room"]}},
    "required": ["room"],
    "additionalProperties": False,
}
JSON = Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(SCHEMA))
SYSTEM = "<|im_start|>system\nYou look after a house with a kitchen, a hall and a living room.<|im_end|>\n"
COMMANDS = ["Turn on the lamp.", "Is the door locked?", "Tell me a story.", "What is two and two?", "Hello!"]


@pytest.fixture(scope="module", name="roomy")
def roomy_fixture(model: Model) -> Iterator[Engine]:
    """Run an engine with room for everything."""
    engine = Engine(model, EngineOptions(n_ctx=8192))
    yield engine
    engine.close()


@pytest.fixture(scope="module", name="mixed")
def mixed_fixture(exact: Model) -> Iterator[Engine]:
    """Run an engine on exact weights, for answers that are compared."""
    engine = Engine(exact, EngineOptions(n_ctx=1024, cache_type="f32", n_cached=6))
    yield engine
    engine.close()


def prompt(model: Model, command: str, system: str = SYSTEM) -> tuple[int, ...]:
    """Return the tokens of a command."""
    text = f"{system}<|im_start|>user\n{command}<|im_end|>\n<|im_start|>assistant\n"
    return tuple(model.tokenize(text))


REQUESTS = st.tuples(st.sampled_from(COMMANDS), st.integers(1, 24), st.booleans(), st.floats(0, 0.05))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(REQUESTS, min_size=2, max_size=6))
def test_any_mix_answers_as_alone(mixed: Engine, exact: Model, mix: list[tuple[str, int, bool, float]]) -> None:
    """Whatever runs together, with whatever is cached, each answer is the one that a plain sequence gives."""
    requests = [
        GenerationRequest(
            prompt=prompt(exact, command), max_tokens=n, sampling=GREEDY, constraint=JSON if constrained else None
        )
        for command, n, constrained, _ in mix
    ]
    generations = []
    for request, (_, _, _, pause) in zip(requests, mix, strict=True):
        generations.append(mixed.submit(request))
        time.sleep(pause)
    together = [finish(generation)[0] for generation in generations]
    plain = Engine(exact, EngineOptions(n_ctx=512, cache_type="f32", n_parallel=1, n_cached=1))
    try:
        assert [finish(plain.submit(request))[0] for request in requests] == together
    finally:
        plain.close()


def test_forced_tokens_cost_no_choice(roomy: Engine, model: Model) -> None:
    """What a schema leaves no choice about is generated without being chosen."""
    request = GenerationRequest(prompt=prompt(model, "Where?"), max_tokens=40, sampling=GREEDY, constraint=JSON)
    text, done = finish(roomy.submit(request))
    assert json.loads(text)["room"] in {"kitchen", "living room"}
    assert done.timings.forced_n > done.timings.predicted_n / 3


def test_an_end_without_a_choice_is_not_computed(roomy: Engine, model: Model) -> None:
    """Where a constraint leaves one way to the end, the answer is over at once, without a decode for the rest of it."""
    texts = [f"{colour}, and then all that belongs to the end of it" for colour in ("red", "blue")]
    for allowed in (texts, texts[:1]):
        constraint = Constraint(ConstraintKind.CHOICE, json.dumps(allowed))
        request = GenerationRequest(prompt=prompt(model, "Why?"), max_tokens=40, sampling=GREEDY, constraint=constraint)
        before = roomy.totals.decodes
        text, done = finish(roomy.submit(request))
        assert text in allowed
        assert done.reason is FinishReason.STOP
        # The prompt is read, and a colour chosen, of at most two tokens, or the only last token.
        assert roomy.totals.decodes - before <= (3 if len(allowed) > 1 else 1)
        assert done.timings.predicted_n - done.timings.forced_n <= (2 if len(allowed) > 1 else 1)
        assert done.timings.cache_n + done.timings.prompt_n == len(request.prompt)


def test_agents_do_not_evict_each_other(roomy: Engine, model: Model) -> None:
    """Three agents in turn, each with a prompt of its own, all find it in the cache from the second round on."""
    systems = [f"<|im_start|>system\nAgent {name}. {'The lamp is on. ' * 150}<|im_end|>\n" for name in "ABC"]
    for turn, command in enumerate(COMMANDS):
        for system in systems:
            request = GenerationRequest(prompt=prompt(model, command, system), max_tokens=4, sampling=GREEDY)
            done = finish(roomy.submit(request))[1]
            if turn:
                assert done.timings.cache_n > 700
                assert done.timings.prompt_n < 40


def test_more_than_the_context_holds(exact: Model) -> None:
    """Requests that do not fit together wait for each other, and cached prefixes give way to them."""
    engine = Engine(exact, EngineOptions(n_ctx=512, cache_type="f32"))
    alone = Engine(exact, EngineOptions(n_ctx=512, cache_type="f32", n_parallel=1))
    try:
        fillers = [f"What is a {word}? " * 25 for word in ("river", "moon", "lamp")]
        requests = [
            GenerationRequest(prompt=prompt(exact, filler), max_tokens=150, sampling=GREEDY, ignore_end=True)
            for filler in fillers
        ]
        answers = [finish(generation) for generation in [engine.submit(request) for request in requests]]
        assert [done.reason for _, done in answers] == [FinishReason.LENGTH] * len(requests)
        assert [done.timings.predicted_n for _, done in answers] == [150] * len(requests)
        for request, (text, _) in zip(requests, answers, strict=True):
            # Later a model that may not end repeats itself, and near ties are decided by the last digit.
            assert finish(alone.submit(request))[0][:50] == text[:50]
    finally:
        engine.close()
        alone.close()


def test_a_long_prompt_does_not_stop_a_stream(roomy: Engine, model: Model) -> None:
    """While a long prompt is read, a running stream goes on: no gap is longer than three steps and one piece."""
    speaker = roomy.submit(
        GenerationRequest(prompt=prompt(model, "Count."), max_tokens=120, sampling=GREEDY, ignore_end=True)
    )
    assert isinstance(speaker.next_event(10), Chunk)
    long = prompt(model, "The moon is far. " * 500)
    assert len(long) > 2000
    reader = roomy.submit(GenerationRequest(prompt=long, max_tokens=1, sampling=GREEDY))
    arrivals = []
    while isinstance(speaker.next_event(30), Chunk):
        arrivals.append(time.monotonic())
    gaps = sorted(b - a for a, b in itertools.pairwise(arrivals))
    assert finish(reader)[1].timings.prompt_n > 2000
    # A piece is made for 0.2 s; a busy machine may take some times that, all of the prompt many times.
    assert gaps[-1] < 2.0
    assert len(arrivals) > 50


def test_background_gives_way(roomy: Engine, model: Model) -> None:
    """A prefix that is warmed does not hold up a command, and is warm afterwards."""
    long = prompt(model, "The sea is deep. " * 400)
    warm = roomy.submit(GenerationRequest(prompt=long, max_tokens=0, background=True, pinned=True))
    time.sleep(0.2)
    command = roomy.submit(GenerationRequest(prompt=prompt(model, "Hello!"), max_tokens=3, sampling=GREEDY))
    finish(command)
    answered = time.monotonic()
    done = finish(warm)[1]
    assert time.monotonic() > answered
    assert done.reason is FinishReason.LENGTH
    assert done.timings.predicted_n == 0
    again = finish(roomy.submit(GenerationRequest(prompt=long, max_tokens=1, sampling=GREEDY)))[1]
    assert again.timings.prompt_n == 1
    repeated = finish(roomy.submit(GenerationRequest(prompt=long, max_tokens=0, background=True)))[1]
    assert repeated.timings.prompt_n == 0


def test_cancelling_a_prompt_disturbs_nobody(mixed: Engine, exact: Model) -> None:
    """A stream goes on as if nothing had happened while prompts beside it are cancelled in the middle of a decode."""
    request = GenerationRequest(prompt=prompt(exact, "Say something."), max_tokens=40, sampling=GREEDY, ignore_end=True)
    alone = finish(mixed.submit(request))[0]
    speaker = mixed.submit(request)
    assert isinstance(first := speaker.next_event(10), Chunk)
    for number in range(5):
        reader = mixed.submit(GenerationRequest(prompt=prompt(exact, f"{number} is a number. " * 80), max_tokens=1))
        time.sleep(0.1)
        reader.cancel()
        assert finish(reader)[1].reason is FinishReason.CANCELLED
    assert first.text + finish(speaker)[0] == alone
