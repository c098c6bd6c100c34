"""Guesses at repeated phrases, and whether they pay."""

from hypothesis import given
from hypothesis import strategies as st

from generations import finish
from home_llm.engine import Engine, EngineOptions, GenerationRequest
from home_llm.engine.speculation import MAX_DRAFT, Gauge, PhraseIndex
from home_llm.llama import Model, SamplingParameters


def test_phrases() -> None:
    """What followed the last three tokens when they came before is the guess."""
    assert PhraseIndex().draft([1, 2, 3, 4, 5, 1, 2, 3], 2) == [4, 5]
    assert PhraseIndex().draft([1, 2, 3, 4], 2) == []
    assert PhraseIndex().draft([7, 7, 7, 7], 3) == [7]
    assert PhraseIndex().draft([1, 2], 3) == []


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 5))
def test_growing(tokens: list[int], step: int) -> None:
    """An index that grows with the tokens guesses as a fresh one does."""
    growing = PhraseIndex()
    for end in range(0, len(tokens) + 1, step):
        assert growing.draft(tokens[:end], 3) == PhraseIndex().draft(tokens[:end], 3)


def test_it_is_given_up_where_it_does_not_pay() -> None:
    """Guesses that are wrong, or that cost more than they save, are given up, and tried again now and then."""
    gauge = Gauge()
    assert gauge.wanted() == 0
    gauge.note(0.01, drafted=0, right=0)
    assert gauge.wanted() == MAX_DRAFT
    for _ in range(20):
        gauge.note(0.02, drafted=MAX_DRAFT, right=0)
    wanted = [gauge.wanted() for _ in range(100)]
    assert 0 < sum(count > 0 for count in wanted) < 5
    for _ in range(60):
        gauge.note(0.02, drafted=MAX_DRAFT, right=3)
    assert gauge.wanted() == MAX_DRAFT


def test_guesses_change_nothing(exact: Model) -> None:
    """With and without guesses an answer is the same, token for token, also when it is drawn, stopped or limited."""
    sentence = "The lamp in the hall is on and the lamp in the kitchen is off. "
    prompt = tuple(exact.tokenize(f"Say this again and again: {sentence * 4}"))
    answers: dict[bool, list[tuple[str, int]]] = {}
    right: dict[bool, int] = {}
    for speculate in (True, False):
        engine = Engine(exact, EngineOptions(n_ctx=1024, cache_type="f32", speculate=speculate))
        answers[speculate] = []
        for sampling in (SamplingParameters(temperature=0), SamplingParameters(temperature=0.8, top_k=20, seed=4)):
            for stop, limit in (((), 40), (("kitchen",), 40), ((), 7)):
                request = GenerationRequest(prompt=prompt, max_tokens=limit, sampling=sampling, stop=stop)
                text, done = finish(engine.submit(request))
                answers[speculate].append((text, done.timings.predicted_n))
        right[speculate] = engine.totals.decodes
        engine.close()
    assert answers[True] == answers[False]
    assert right[True] < right[False]
