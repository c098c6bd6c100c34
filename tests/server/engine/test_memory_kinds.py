"""Each kind of memory that llama.cpp has: whatever is shared, cut, restored or guessed, answers stay the same."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generations import GREEDY, answer, finish
from home_llm.engine import Chunk, Constraint, ConstraintKind, Engine, EngineOptions, FinishReason, GenerationRequest
from home_llm.llama import Model, state_size

OPTIONS = EngineOptions(n_ctx=2048, cache_type="f32", speculate=False, threads=1)
SPECIAL = frozenset(range(17))
REPORT = Constraint(ConstraintKind.REGEX, r"((the lamp|the door) in the (hall|kitchen) is (on|off)\. ){6}")


def words(seed: int, count: int) -> tuple[int, ...]:
    """Return random tokens."""
    draw = random.Random(seed)
    return tuple(draw.randrange(17, 2048) for _ in range(count))


def ask(prompt: tuple[int, ...], max_tokens: int = 12, **more: Any) -> GenerationRequest:
    """Return a request that shows every token of its answer."""
    return GenerationRequest(
        prompt=prompt, max_tokens=max_tokens, sampling=GREEDY, visible_tokens=SPECIAL, ignore_end=True, **more
    )


@contextmanager
def running(model: Model, **options: Any) -> Iterator[Engine]:
    """Run an engine."""
    engine = Engine(model, replace(OPTIONS, **options))
    try:
        yield engine
    finally:
        engine.close()


def alone(model: Model, request: GenerationRequest) -> str:
    """Return what an engine that has never seen anything answers."""
    with running(model, n_parallel=1, n_cached=1) as engine:
        return answer(engine, request)


def test_the_models_are_what_they_are_for(tiny_models: dict[str, Model]) -> None:
    """An answer depends on the beginning of its prompt too, and is as long as it may be."""
    for model in tiny_models.values():
        prompt = words(1, 150)
        texts = {alone(model, ask((other, *prompt[1:]), 40)) for other in (20, 300, 1000, 2000)}
        assert len(texts) > 1
    assert {kind for kind, model in tiny_models.items() if model.is_recurrent} == {"recurrent", "hybrid"}


def test_together(any_kind: Model) -> None:
    """Requests of different lengths that run together answer as alone."""
    requests = [ask(words(seed, 20 + 90 * seed), 20 + seed) for seed in range(5)]
    with running(any_kind, n_batch=128) as engine:
        generations = [engine.submit(request) for request in requests]
        together = [finish(generation)[0] for generation in generations]
    assert together == [alone(any_kind, request) for request in requests]


def test_cached(any_kind: Model) -> None:
    """The same prompt again, one that parts in the middle, a shorter one, one that goes on: all answer as alone."""
    prompt = words(1, 200)
    with running(any_kind) as engine:
        said = answer(engine, ask(prompt))
        held = tuple(engine._cache.idle[-1].tokens)
        assert held[: len(prompt)] == prompt
        follow_up = (*held, *words(2, 20))
        assert finish(engine.submit(ask(follow_up, 1)))[1].timings.cache_n == len(held)
        for other in (
            prompt,
            prompt[:100] + words(3, 100),
            prompt[:190] + words(4, 30),
            prompt[:150],
            follow_up,
            prompt,
            follow_up + words(5, 30),
        ):
            assert answer(engine, ask(other)) == alone(any_kind, ask(other))
        assert answer(engine, ask(prompt)) == said


def test_a_crowded_cache(any_kind: Model) -> None:
    """Agents that take turns in a cache too small for them answer as alone, turn after turn."""
    agents = [words(seed, 120) for seed in range(4)]
    with running(any_kind, n_ctx=640) as engine:
        for turn in range(5):
            for number, agent in enumerate(agents):
                request = ask(agent + words(10 * turn + number, 15), 10 + 7 * ((turn + number) % 5))
                assert answer(engine, request) == alone(any_kind, request)


def test_many_in_a_small_cache(any_kind: Model) -> None:
    """Requests that push each other out of the cache while they run answer as alone."""
    requests = [ask(words(seed, 100) + words(99, seed), 60) for seed in range(6)]
    with running(any_kind, n_ctx=512) as engine:
        generations = [engine.submit(request) for request in requests]
        together = [finish(generation)[0] for generation in generations]
    assert together == [alone(any_kind, request) for request in requests]


def test_restored(any_kind: Model, tmp_path: Path) -> None:
    """After a restart what was saved is used, and the answers are as alone."""
    prompt = words(1, 300)
    kept = {"prefixes": tmp_path, "identity": "tiny"}
    with running(any_kind, **kept) as engine:
        finish(engine.submit(GenerationRequest(prompt=prompt, max_tokens=0, pinned=True)))
        answer(engine, ask(prompt + words(2, 20)))
    with running(any_kind, **kept) as engine:
        for seed in (3, 4):
            request = ask(prompt + words(seed, 20))
            text, done = finish(engine.submit(request))
            assert text == alone(any_kind, request)
            assert done.timings.cache_n == len(prompt)


def test_constrained(any_kind: Model) -> None:
    """Forced tokens are the ones that would have been chosen, and leave the memory as choosing does."""
    request = ask(words(1, 50), 200, constraint=REPORT)
    with running(any_kind) as engine:
        text, done = finish(engine.submit(request))
        assert done.reason is FinishReason.STOP
        assert done.timings.forced_n > 0
        held = tuple(engine._cache.idle[-1].tokens)
        after = ask(held + words(2, 5))
        assert answer(engine, after) == alone(any_kind, after)
        generations = [engine.submit(request), engine.submit(ask(words(3, 80), 30)), engine.submit(request)]
        assert [finish(generation)[0] for generation in generations] == [
            text,
            alone(any_kind, ask(words(3, 80), 30)),
            text,
        ]


def test_speculated(any_kind: Model) -> None:
    """Guesses, right and wrong ones, change nothing; a memory that cannot be cut does without."""
    requests = [ask(words(seed, 40), 200, constraint=REPORT) for seed in range(4)]
    with running(any_kind, speculate=True) as engine:
        guessed = [answer(engine, request) for request in requests]
        assert (engine._decoder._gauge._trials > 0) is not any_kind.is_recurrent
        again = [answer(engine, request) for request in reversed(requests)]
    assert guessed == [alone(any_kind, request) for request in requests] == again[::-1]


def test_cancelled(any_kind: Model) -> None:
    """Prompts that are cancelled at any moment do no harm to a stream beside them."""
    request = ask(words(1, 60), 300)
    with running(any_kind, n_ctx=4096, n_batch=2048) as engine:
        speaker = engine.submit(request)
        assert isinstance(first := speaker.next_event(10), Chunk)
        for number in range(8):
            reader = engine.submit(ask(words(number, 1500), 1))
            time.sleep(0.003 * number)
            reader.cancel()
            finish(reader)
        assert first.text + finish(speaker)[0] == alone(any_kind, request)


def test_a_warm_prefix_is_shared_whole(any_kind: Model) -> None:
    """A pinned prefix is found by every command after it, also where the memory cannot be cut."""
    prefix = words(1, 250)
    with running(any_kind, n_parallel=2, n_cached=3) as engine:
        warm = GenerationRequest(prompt=prefix, max_tokens=0, background=True, pinned=True)
        assert finish(engine.submit(warm))[1].timings.prompt_n == len(prefix)
        for seed in range(6):
            # Two of them begin with the same words, so that the longest common prefix is not the pinned one.
            request = ask(prefix + words(7, 10) + words(seed // 2, 10))
            text, done = finish(engine.submit(request))
            assert text == alone(any_kind, request)
            assert done.timings.cache_n >= len(prefix)
        assert finish(engine.submit(warm))[1].timings.prompt_n == 0


def test_a_shared_beginning_is_learnt(any_kind: Model) -> None:
    """Agents in turn whose prompts nobody has warmed find them again from the third turn on."""
    agents = [words(seed, 250) for seed in range(3)]
    with running(any_kind) as engine:
        for turn in range(5):
            for number, agent in enumerate(agents):
                request = ask(agent + words(10 * turn + number, 20))
                text, done = finish(engine.submit(request))
                assert text == alone(any_kind, request)
                assert turn < 2 or done.timings.cache_n >= len(agent)


def test_states_have_a_budget(any_kind: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each sequence takes memory of its own, there are only so many; requests beyond them wait."""
    state = state_size(any_kind)
    assert (state > 0) is any_kind.is_recurrent
    monkeypatch.setattr("home_llm.engine.options._STATES_BUDGET", 6 * state + 1)
    requests = [ask(words(seed, 60), 20) for seed in range(9)]
    with running(any_kind) as engine:
        assert engine._context.n_sequences == (6 if any_kind.is_recurrent else OPTIONS.n_parallel + OPTIONS.n_cached)
        generations = [engine.submit(request) for request in requests]
        together = [finish(generation)[0] for generation in generations]
    assert together == [alone(any_kind, request) for request in requests]


def test_the_size_of_a_state(tiny_models: dict[str, Model]) -> None:
    """It is what the layers remember: for the Mamba, three inputs of each convolution and the state of each channel."""
    inner, state, layers, number = 128, 8, 2, 4
    wanted = layers * inner * (3 + state) * number
    assert wanted <= state_size(tiny_models["recurrent"]) < wanted + 1000


def test_nothing_is_logged(any_kind: Model, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the kind of memory nor a full cache is worth a warning."""
    with running(any_kind, n_ctx=256) as engine:
        generations = [engine.submit(ask(words(seed, 80), 60)) for seed in range(4)]
        for generation in generations:
            finish(generation)
    assert [record.getMessage() for record in caplog.records if record.levelname not in {"DEBUG", "INFO"}] == []
