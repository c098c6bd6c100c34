"""Log-probabilities of real tokens, and with which piece of the text they come."""

import numpy as np
import numpy.typing as npt
import pytest

from home_llm.engine import (
    Chunk,
    Constraint,
    ConstraintKind,
    Done,
    Engine,
    EngineOptions,
    GenerationRequest,
    TokenLogprob,
)
from home_llm.llama import Batch, Context, Model, SamplingParameters

GREEDY = SamplingParameters(temperature=0)
PROMPT = "The lamp in the hall is"


def generate(engine: Engine, request: GenerationRequest) -> tuple[list[Chunk], Done]:
    """Return the pieces of an answer and its end."""
    *chunks, done = engine.submit(request).events()
    assert isinstance(done, Done)
    return [chunk for chunk in chunks if isinstance(chunk, Chunk)], done


def everything(chunks: list[Chunk], done: Done) -> list[TokenLogprob]:
    """Return all tokens."""
    return [*(token for chunk in chunks for token in chunk.logprobs), *done.logprobs]


def reference(model: Model, prompt: list[int], answer: list[int]) -> npt.NDArray[np.float64]:
    """Return the log-probabilities before each token of an answer, shape (len(answer), n_vocab)."""
    context, batch = Context(model, n_ctx=512, threads=2), Batch(512)
    try:
        batch.add([*prompt, *answer], position=0, sequence=0, logits=len(answer) + 1)
        context.decode(batch)
        rows = [context.logits(len(prompt) - 1 + step).astype(np.float64) for step in range(len(answer))]
        logits = np.array(rows) - np.max(rows, axis=1, keepdims=True)
        result: npt.NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return result
    finally:
        batch.close()
        context.close()


def constrained(text: str) -> Constraint:
    """Return a constraint that admits only this text."""
    return Constraint(ConstraintKind.LARK, f'start: "{text}"')


@pytest.mark.parametrize("constraint", [None, constrained(" as green as grass.")])
def test_they_are_the_models_own(exact: Model, constraint: Constraint | None) -> None:
    """The numbers are those of a plain log-softmax, whatever samplers, bias and constraint make of them after it."""
    prompt = exact.tokenize(PROMPT)
    hot = SamplingParameters(temperature=1.5, top_k=3, seed=5, repeat_penalty=1.3, logit_bias={prompt[1]: 4.0})
    engine = Engine(exact, EngineOptions(n_ctx=512, cache_type="f32"))
    try:
        request = GenerationRequest(tuple(prompt), max_tokens=8, sampling=hot, constraint=constraint, logprobs=3)
        tokens = everything(*generate(engine, request))
    finally:
        engine.close()
    assert len(tokens) > 4
    expected = reference(exact, prompt, [token.token for token in tokens])
    for token, row in zip(tokens, expected, strict=True):
        assert token.logprob == pytest.approx(row[token.token], abs=0.02)
        assert token.piece == exact.piece(token.token)
        assert [other.logprob for other in token.top] == pytest.approx(np.sort(row)[:-4:-1].tolist(), abs=0.02)
        assert [other.logprob for other in token.top] == pytest.approx(
            [float(row[o.token]) for o in token.top], abs=0.02
        )


def test_asking_changes_nothing_else(exact: Model) -> None:
    """The answer is the same with and without; nothing is forced or guessed with them, and 0 names no others."""
    sentence = "The lamp in the hall is on and the lamp in the kitchen is off. "
    prompt = tuple(exact.tokenize(f"Say this again and again: {sentence * 4}"))
    engine = Engine(exact, EngineOptions(n_ctx=1024, cache_type="f32"))
    try:
        for constraint in (None, constrained("The lamp in the hall is on")):
            plain = GenerationRequest(prompt, max_tokens=30, sampling=GREEDY, constraint=constraint)
            asked = GenerationRequest(prompt, max_tokens=30, sampling=GREEDY, constraint=constraint, logprobs=0)
            without, with_them = generate(engine, plain), generate(engine, asked)
            assert not everything(*without)
            tokens = everything(*with_them)
            assert "".join(chunk.text for chunk in without[0]) == "".join(chunk.text for chunk in with_them[0])
            assert len(tokens) == with_them[1].timings.predicted_n
            assert with_them[1].timings.forced_n == 0
            assert not any(token.top for token in tokens)
        assert without[1].timings.forced_n > 0
    finally:
        engine.close()


TEXT = "Grüße 👋🏽 aus dem Süden, 你好 und\\n\\nUser: mehr."


@pytest.mark.parametrize("stop", [(), ("\n\nUser:",), (", 你好",), ("👋🏽",), ("ü",), ("nobody", "e?")])
def test_tokens_come_with_their_text(engine: Engine, model: Model, stop: tuple[str, ...]) -> None:
    """A token comes with the piece that its text ends in, and one that a stop string cuts does not come at all."""
    request = GenerationRequest(
        tuple(model.tokenize(PROMPT)), sampling=GREEDY, constraint=constrained(TEXT), stop=stop, logprobs=0
    )
    chunks, done = generate(engine, request)
    whole = TEXT.replace("\\n", "\n")
    cut = min((whole.index(text) for text in stop if text in whole), default=len(whole))
    text = "".join(chunk.text for chunk in chunks)
    assert text == whole[:cut]
    assert done.logprobs == ()
    released = 0
    for chunk in chunks:
        before, released = released, released + len(chunk.text)
        assert all(before < token.end <= released for token in chunk.logprobs)
    tokens = everything(chunks, done)
    joined = b"".join(token.piece for token in tokens)
    assert text.encode().startswith(joined)
    if cut == len(whole):
        assert joined == text.encode()
    assert all(whole[token.start : token.end].encode().find(token.piece) >= 0 for token in tokens)
    # What is missing is one token, whose text goes on into the stop string.
    assert not text[len(joined.decode(errors="ignore")) :].strip(" \n,")


def test_half_a_character(engine: Engine, model: Model) -> None:
    """Tokens of a character that is not finished come with the end."""
    wave = model.tokenize("👋")
    assert len(wave) > 2
    request = GenerationRequest(
        tuple(model.tokenize(PROMPT)),
        max_tokens=len(wave) - 1,
        sampling=GREEDY,
        constraint=constrained("👋"),
        logprobs=0,
    )
    chunks, done = generate(engine, request)
    assert chunks == []
    assert "👋".encode().startswith(b"".join(token.piece for token in done.logprobs))
    assert len(done.logprobs) == len(wave) - 1
