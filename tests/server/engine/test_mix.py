"""Any mix of requests, in any kind of memory: every answer that is finished is the one given alone."""

import random
import time
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generations import GREEDY, answer, finish
from home_llm.engine import Constraint, ConstraintKind, Engine, EngineOptions, FinishReason, GenerationRequest
from home_llm.llama import Model

OPTIONS = EngineOptions(n_ctx=640, n_parallel=3, n_cached=4, n_batch=64, cache_type="f32", threads=1)
CONSTRAINTS = (
    None,
    Constraint(ConstraintKind.REGEX, r"((the lamp|the door) is (on|off)\. ){4}"),
    Constraint(ConstraintKind.JSON_SCHEMA, '{"enum": ["kitchen", "living room", "hall", null]}'),
)


@dataclass(frozen=True)
class Asked:
    """A request, and what becomes of it.

    Attributes:
        request: what is asked.
        wait: seconds before it is asked.
        cancel: seconds after which it is cancelled; None lets it finish.
    """

    request: GenerationRequest
    wait: float
    cancel: float | None


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Draw a request whose prompt goes some way down a tree of shared beginnings, and then its own way."""
    prompt: list[int] = []
    for depth in range(draw(st.integers(0, 3))):
        branch = draw(st.integers(0, 1))
        prompt += _tokens((*prompt[-1:], depth, branch), (40, 90, 25)[depth])
    prompt += _tokens((*prompt[-1:], 9, draw(st.integers(0, 3))), draw(st.integers(1, 60)))
    pinned = draw(st.booleans())
    request = GenerationRequest(
        prompt=tuple(prompt),
        max_tokens=draw(st.sampled_from([0, 1, 7, 40, 90])),
        sampling=GREEDY,
        constraint=draw(st.sampled_from(CONSTRAINTS)),
        visible_tokens=frozenset(range(17)),
        ignore_end=True,
        background=draw(st.booleans()) and pinned,
        pinned=pinned,
    )
    waits = st.sampled_from([0.0, 0.0, 0.001, 0.01])
    return Asked(request, draw(waits), draw(st.one_of(st.none(), st.none(), waits)))


def _tokens(place: tuple[int, ...], count: int) -> list[int]:
    """Return the tokens of a place in the tree."""
    choose = random.Random(repr(place))
    return [choose.randrange(17, 2048) for _ in range(count)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(requests(), min_size=2, max_size=12))
def test_any_mix_answers_as_alone(any_kind: Model, asked: list[Asked]) -> None:
    """Shared beginnings, constraints, guesses, pins, background and cancelled requests: nothing changes a word."""
    engine = Engine(any_kind, OPTIONS)
    try:
        generations = []
        for each in asked:
            time.sleep(each.wait)
            generations.append(engine.submit(each.request))
            if each.cancel is not None:
                time.sleep(each.cancel)
                generations[-1].cancel()
        ends = [finish(generation) for generation in generations]
    finally:
        engine.close()
    for each, (text, done) in zip(asked, ends, strict=True):
        if done.reason is FinishReason.CANCELLED:
            assert each.cancel is not None
            continue
        plain = Engine(any_kind, replace(OPTIONS, n_parallel=1, n_cached=1, speculate=False))
        try:
            assert text == answer(plain, each.request)
        finally:
            plain.close()
