"""A constraint that waits until the model has thought, on a real vocabulary."""

import json

import numpy as np
import pytest

from home_llm.engine import Constraint, ConstraintKind, Done, Engine, FinishReason, GenerationRequest, Thinking
from home_llm.engine.constraint import ConstraintCompiler, Matcher
from home_llm.engine.thinking import Markers, ThinkingMatcher
from home_llm.llama import Model, SamplingParameters

# Words in the embedded model's vocabulary, and two of its special tokens, which mean something else to it.
WORDS = ("<think>", "</think>")
TOKENS = ("<issue_start>", "<issue_closed>")
COLOUR = Constraint(ConstraintKind.CHOICE, json.dumps(["red", "<this>", "green grass"]))
THOUGHT = (
    "<|im_start|>user\nSay dog.<|im_end|>\n<|im_start|>assistant\n<think>\nI must say dog.\n</think>\n\ndog<|im_end|>\n"
    "<|im_start|>user\nSay cat.<|im_end|>\n<|im_start|>assistant\n<think>\nI must say cat.\n</think>\n\ncat<|im_end|>\n"
    "<|im_start|>user\nSay sun.<|im_end|>\n<|im_start|>assistant\n"
)


class Walk:
    """A walk by texts."""

    def __init__(self, model: Model, markers: tuple[str, str], *, opened: bool) -> None:
        """Begin."""
        compiler = ConstraintCompiler(model)
        self.model = model
        self.matcher: Matcher = ThinkingMatcher(
            compiler.matcher(COLOUR), Thinking(*markers, opened=opened), Markers(model, *markers), model
        )

    def admitted(self, text: str) -> bool:
        """Return whether the token of a text, or its first one, may come now."""
        return bool(np.isfinite(self.logits()[self.model.tokenize(text)[0]]))

    def logits(self) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """Return masked logits."""
        logits = np.zeros(self.model.n_vocab, dtype=np.float32)
        self.matcher.mask(logits)
        return logits

    def go(self, text: str) -> "Walk":
        """Go on by the tokens of a text."""
        for token in self.model.tokenize(text):
            assert np.isfinite(self.logits()[token]), (text, self.model.piece(token))
            self.matcher.consume(token)
        return self


@pytest.mark.parametrize("markers", [WORDS, TOKENS])
def test_an_answer_without_thoughts(model: Model, markers: tuple[str, str]) -> None:
    """Where the prompt has not opened the thoughts, the model may answer at once, and only as the constraint says."""
    walk = Walk(model, markers, opened=False)
    assert walk.admitted("red")
    assert walk.admitted(markers[0])
    assert not walk.admitted("blue")
    assert not walk.admitted(" ")
    walk.go("red")
    assert walk.matcher.stopped
    assert Walk(model, markers, opened=False).go("<this>").matcher.stopped
    grass = Walk(model, markers, opened=False).go("green")
    assert not grass.admitted(markers[0])
    assert grass.go(" grass").matcher.stopped


@pytest.mark.parametrize("markers", [WORDS, TOKENS])
@pytest.mark.parametrize("opened", [True, False])
def test_thoughts(model: Model, markers: tuple[str, str], opened: bool) -> None:
    """Thoughts are free, but have no end but their closing; what follows is bound, after a line break or at once."""
    for pause in ("", "\n\n"):
        walk = Walk(model, markers, opened=opened)
        if not opened:
            walk.go(markers[0])
        walk.go("\nRed or blue? <b> </")
        assert walk.matcher.forced() == ([], [])
        assert not walk.matcher.stopped
        assert not np.isfinite(walk.logits()[list(model.end_of_generation)]).any()
        walk.go("\n" + markers[1])
        assert walk.admitted("red")
        assert walk.admitted("\n")
        assert not walk.admitted("blue")
        walk.go(pause)
        assert walk.admitted("red")
        if pause:
            assert not walk.admitted("\n")
        assert walk.go("green").matcher.forced() == (model.tokenize(" grass"), [])
        assert walk.go(" grass").matcher.stopped


def test_an_answer_that_begins_like_thoughts(model: Model) -> None:
    """What begins like the opening is the answer when it goes on otherwise, and thoughts when it does not."""
    walk = Walk(model, WORDS, opened=False).go("<")
    assert walk.admitted("think")
    assert walk.admitted("this")
    assert not walk.admitted("red")
    walk.go("think>Hm.</think>")
    # The constraint begins again: what was tried of it before does not count.
    assert walk.admitted("red")
    assert walk.admitted("<")
    assert not walk.admitted("this")


def test_no_word_slips_out_with_the_closing(model: Model) -> None:
    """A token that closes the thoughts and holds words of an answer too is not admitted."""
    walk = Walk(model, WORDS, opened=True).go("Hm.</think")
    pieces = [model.piece(token, special=True) for token in range(model.n_vocab)]
    logits = walk.logits()
    closing = [token for token, piece in enumerate(pieces) if piece.startswith(b">")]
    assert any(np.isfinite(logits[token]) for token in closing)
    for token in closing:
        assert bool(np.isfinite(logits[token])) is (not pieces[token][1:].strip())


def finish(engine: Engine, request: GenerationRequest) -> tuple[str, Done]:
    """Return an answer and its end."""
    *chunks, done = engine.submit(request).events()
    assert isinstance(done, Done)
    return "".join(getattr(chunk, "text", "") for chunk in chunks), done


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("logprobs", [None, 1])
def test_the_model_thinks(engine: Engine, model: Model, opened: bool, logprobs: int | None) -> None:
    """A model that was shown how thinks freely and answers as it must, whether the prompt opens its thoughts or not."""
    prompt = THOUGHT + "<think>\n" * opened
    request = GenerationRequest(
        tuple(model.tokenize(prompt)),
        max_tokens=60,
        sampling=SamplingParameters(temperature=0),
        constraint=Constraint(ConstraintKind.CHOICE, '["the sun", "the moon"]'),
        thinking=Thinking(*WORDS, opened=opened),
        logprobs=logprobs,
    )
    text, done = finish(engine, request)
    thought, closing, answer = text.partition("</think>")
    assert closing
    assert "I must say sun." in thought
    assert answer.strip() in {"the sun", "the moon"}
    assert done.reason is FinishReason.STOP


def test_thoughts_without_end(engine: Engine, model: Model) -> None:
    """A model that never stops thinking is stopped by the limit, though it would rather end."""
    end = model.end_of_generation[0]
    request = GenerationRequest(
        tuple(model.tokenize("Think.<think>")),
        max_tokens=25,
        sampling=SamplingParameters(temperature=0, logit_bias={end: 100.0, model.tokenize("</")[0]: -100.0}),
        constraint=COLOUR,
        thinking=Thinking(*WORDS, opened=True),
    )
    _, done = finish(engine, request)
    assert done.reason is FinishReason.LENGTH
    assert done.timings.predicted_n == 25
