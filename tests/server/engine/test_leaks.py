"""A thousand rounds of requests that end in every way leave nothing behind."""

import gc
import random
import time

from generations import GREEDY, answer, finish
from home_llm.engine import Constraint, ConstraintKind, Engine, EngineOptions, GenerationRequest
from home_llm.llama import Model, SamplingParameters
from memory_use import resident_bytes
from waiting import wait_until

ROUNDS = 1000
SETTLED = 200
WORD = Constraint(ConstraintKind.REGEX, "(on|off|the lamp)")


def test_nothing_leaks(tiny: Model) -> None:
    """Sequences, cells, places in the queues and memory are there again, however requests have ended."""
    draw = random.Random(3)
    options = EngineOptions(n_ctx=512, n_parallel=3, n_cached=3, cache_type="f32", threads=1, parking_budget=1 << 20)
    engine = Engine(tiny, options)
    whole = GenerationRequest(prompt=tuple(range(17, 517)), max_tokens=12, sampling=GREEDY, ignore_end=True)
    try:
        first = answer(engine, whole)
        settled = 0
        for number in range(ROUNDS):
            if number == SETTLED:
                gc.collect()
                settled = resident_bytes()
            generations = [engine.submit(_request(draw)) for _ in range(draw.randint(1, 5))]
            for generation in generations:
                if draw.random() < 0.4:
                    time.sleep(draw.choice([0.0, 0.001]))
                    generation.cancel()
            for generation in generations:
                finish(generation)
        gc.collect()
        assert resident_bytes() - settled < 4e6
        wait_until(lambda: not engine._open)
        assert not engine._running
        assert not engine._waiting
        assert not engine._cache._busy
        assert len(engine._cache._free) + len(engine._cache.idle) == engine._context.n_sequences
        assert answer(engine, whole) == first
    finally:
        engine.close()


def _request(draw: random.Random) -> GenerationRequest:
    start = draw.randint(17, 19)
    return GenerationRequest(
        prompt=tuple(range(start, start + draw.randint(1, 120))),
        max_tokens=draw.randint(0, 20),
        sampling=draw.choice([GREEDY, SamplingParameters(repeat_penalty=1.2, top_k=5)]),
        constraint=draw.choice([None, None, WORD]),
        background=draw.random() < 0.2,
        pinned=draw.random() < 0.1,
    )
