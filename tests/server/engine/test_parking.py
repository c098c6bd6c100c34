"""Prefixes that wait outside the KV cache's cells."""

import numpy as np
import pytest

from home_llm.engine import Done, Engine, EngineOptions, GenerationRequest
from home_llm.engine.cache import PrefixCache
from home_llm.engine.parking import BLOCK, ParkedPrefixes, spans
from home_llm.llama import Batch, Context, Model, SamplingParameters, State

GREEDY = SamplingParameters(temperature=0)
# Three agents of one house: the first two begin alike.
COMMON = "This is a house with a lamp in every room. " * 70
AGENTS = (
    COMMON + "You are a butler and speak shortly. " * 20,
    COMMON + "You are a pirate and speak loudly. " * 20,
    "Write a summary of the day in one sentence. " * 90,
)


def ask(engine: Engine, model: Model, system: str, question: str) -> tuple[str, Done]:
    """Return an answer."""
    prompt = tuple(model.tokenize(system + question))
    text = ""
    for event in engine.submit(GenerationRequest(prompt=prompt, max_tokens=4, sampling=GREEDY)).events():
        if isinstance(event, Done):
            return text, event
        text += getattr(event, "text", "")
    raise AssertionError


def state(size: int) -> State:
    """Return the state of a block."""
    return np.zeros(size, np.uint8)


def test_agents_in_turn(exact: Model) -> None:
    """Agents that take turns find their prompts again, out of the cells meanwhile, and answer as if each were alone."""
    plain = Engine(exact, EngineOptions(n_ctx=2048, cache_type="f32", n_batch=32, parking_budget=0))
    shared = Engine(exact, EngineOptions(n_ctx=2048, cache_type="f32", n_batch=32))
    questions = ("Who are you?", "How are you?")
    try:
        alone = {(agent, question): ask(plain, exact, agent, question)[0] for agent in AGENTS for question in questions}
        for turn, question in enumerate((*questions, *questions)):
            for agent in AGENTS:
                text, done = ask(shared, exact, agent, question)
                assert text == alone[agent, question]
                if turn:
                    assert done.timings.prompt_n < 20
        assert shared._cache.parked_bytes > 0
        assert sum(len(sequence.tokens) for sequence in shared._cache.idle) < 1200
    finally:
        plain.close()
        shared.close()


def test_one_agent_is_held_once(exact: Model) -> None:
    """A house with one agent has no copy of its prompt beside the cells."""
    engine = Engine(exact, EngineOptions(n_ctx=2048, cache_type="f32"))
    try:
        for question in ("One?", "Two?", "Three?"):
            ask(engine, exact, AGENTS[0], question)
        assert engine._cache.parked_bytes == 0
    finally:
        engine.close()


def test_more_prefixes_than_cells(exact: Model) -> None:
    """What the cells have no room for comes back from memory."""
    engine = Engine(exact, EngineOptions(n_ctx=1280, cache_type="f32", n_batch=128))
    try:
        first = [ask(engine, exact, agent, "Hello?") for agent in AGENTS]
        again = [ask(engine, exact, agent, "Hello?") for agent in AGENTS]
        assert [text for text, _ in again] == [text for text, _ in first]
        assert all(done.timings.prompt_n < 20 for _, done in again)
    finally:
        engine.close()


def test_shared_beginnings_are_kept_once() -> None:
    """Prefixes with the same beginning share its blocks, and only what is new is saved."""
    parked = ParkedPrefixes(1 << 20)
    saved: list[tuple[int, int]] = []

    def save(start: int, end: int) -> State:
        saved.append((start, end))
        return state(end - start)

    first = list(range(2 * BLOCK + 100))
    second = [*first[: 2 * BLOCK], *range(50)]
    parked.put(first, save)
    parked.put(second, save)
    assert saved == [*spans(len(first)), (2 * BLOCK, 2 * BLOCK + 50)]
    assert parked.size == 2 * BLOCK + 150
    blocks, length = parked.find((*first[: 2 * BLOCK + 60], 7, 8, 9))
    assert (len(blocks), length) == (3, 2 * BLOCK + 60)
    assert parked.find((9, 9, 9)) == ([], 0)


def test_growth_replaces() -> None:
    """A prefix that has grown takes the place of its shorter self."""
    parked = ParkedPrefixes(1 << 20)
    parked.put(list(range(100)), lambda start, end: state(end - start))
    parked.put(list(range(200)), lambda start, end: state(end - start))
    assert parked.size == 200
    assert [sum(len(block.tokens) for block in chain) for chain in parked.prefixes()] == [200]


def test_budget() -> None:
    """Over the budget the prefix used longest ago goes, pinned ones last."""
    parked = ParkedPrefixes(250)
    for number, pinned in ((1, True), (2, False), (3, False)):
        parked.put([number] * 100, lambda start, end: state(end - start), pinned=pinned)
    assert parked.find((2,) * 100)[1] == 0
    assert parked.find((1,) * 100)[1] == 100
    assert parked.find((3,) * 100)[1] == 100


def test_states_that_cannot_be_cut() -> None:
    """A recurrent state is found only by a prompt that goes on where it ended."""
    parked = ParkedPrefixes(1 << 20, whole_only=True)
    parked.put(list(range(700)), lambda start, end: state(end - start))
    assert parked.find(tuple(range(650)))[1] == 0
    assert parked.find(tuple(range(750)))[1] == 700


@pytest.mark.parametrize("cache_type", ["f16", "q8_0/f16", "q8_0", "q4_0"])
def test_parts_of_a_sequence(exact: Model, cache_type: str) -> None:
    """A sequence that is saved in parts and put together again elsewhere is the same, for every type of cache."""
    context = Context(exact, n_ctx=512, n_sequences=3, threads=2, cache_type=cache_type)  # type: ignore[arg-type]
    try:
        cache = PrefixCache(context, parking_budget=1 << 30)
        tokens = list(range(1000, 1300))
        _decode(context, tokens[:-1], sequence=0)
        _decode(context, tokens[-1:], sequence=0, position=299)
        expected = context.logits(0).copy()
        parts = [context.save(0, 0, 128), context.save(0, 128, 299)]
        context.truncate(0, 0)
        assert all(context.restore(1, part) for part in parts)
        _decode(context, tokens[-1:], sequence=1, position=299)
        assert np.abs(context.logits(0) - expected).max() < 1e-4
        assert cache.longest_prefix(tuple(tokens)) == 0
    finally:
        context.close()


def _decode(context: Context, tokens: list[int], *, sequence: int, position: int = 0) -> None:
    batch = Batch(512)
    batch.add(tokens, position=position, sequence=sequence, logits=1)
    context.decode(batch)
    batch.close()
