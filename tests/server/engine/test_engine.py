"""The engine on the real embedded model."""

import threading
import time
from pathlib import Path

import pytest

from generations import GREEDY, finish
from home_llm.engine import (
    Done,
    Engine,
    EngineClosedError,
    EngineOptions,
    Failed,
    FinishReason,
    GenerationRequest,
)
from home_llm.llama import Model, ModelLoadError, SamplingParameters

STORY = "<|im_start|>user\nTell me a long story about a house.<|im_end|>\n<|im_start|>assistant\n"


def tokens(model: Model, text: str) -> tuple[int, ...]:
    """Return tokens."""
    return tuple(model.tokenize(text))


def say(engine: Engine, prompt: tuple[int, ...], n: int = 24, **options: object) -> tuple[str, Done]:
    """Generate greedily."""
    request = GenerationRequest(prompt=prompt, max_tokens=n, sampling=GREEDY, **options)  # type: ignore[arg-type]
    return finish(engine.submit(request))


def test_cached_prefixes_change_nothing(exact: Model) -> None:
    """An answer over a cached prefix is the one from an empty cache, and only the rest of the prompt is read."""
    story = tokens(exact, STORY)
    engine = Engine(exact, EngineOptions(n_ctx=2048, cache_type="f32"))
    try:
        plain, first = say(engine, story)
        assert first.timings.cache_n == 0
        again, second = say(engine, story)
        assert again == plain
        assert second.timings.cache_n == len(story) - 1
        assert second.timings.prompt_n == 1
        turn = "<|im_end|>\n<|im_start|>user\nGo on.<|im_end|>\n<|im_start|>assistant\n"
        longer = tokens(exact, STORY + plain + turn)
        extended, third = say(engine, longer)
        assert third.timings.cache_n >= len(story)
    finally:
        engine.close()
    fresh = Engine(exact, EngineOptions(n_ctx=2048, cache_type="f32"))
    try:
        assert say(fresh, longer)[0] == extended
    finally:
        fresh.close()


def test_chunked_prompts_change_nothing(exact: Model) -> None:
    """A prompt read in pieces gives what a context with one large batch gives."""
    prompt = tokens(exact, "The lamp is on. " * 150 + "The lamp is")
    assert len(prompt) > 512
    answers = set()
    for n_batch in (2048, 100):
        engine = Engine(exact, EngineOptions(n_ctx=2048, cache_type="f32", n_batch=n_batch))
        answers.add(say(engine, prompt, 8)[0])
        engine.close()
    assert len(answers) == 1


def test_limits(engine: Engine, model: Model) -> None:
    """Generation ends at the limit, at a stop string, and at the model's own end, and says which it was."""
    text, done = say(engine, tokens(model, STORY), 5)
    assert done.reason is FinishReason.LENGTH
    assert done.timings.predicted_n == 5
    stop = text.split()[1]
    cut, done = say(engine, tokens(model, STORY), 24, stop=(stop,))
    assert (done.reason, done.stop) == (FinishReason.STOP, stop)
    assert text.startswith(cut)
    assert stop not in cut
    _, done = say(engine, tokens(model, "<|im_start|>user\nSay: ok<|im_end|>\n<|im_start|>assistant\n"), 200)
    assert done.reason is FinishReason.STOP


def test_the_context_bounds_the_answer(model: Model) -> None:
    """An answer ends where the context is full, and a prompt that fills it is refused."""
    engine = Engine(model, EngineOptions(n_ctx=256))
    try:
        prompt = tokens(model, "one two three " * 80)[: engine.n_ctx - 10]
        _, done = say(engine, prompt, 1000, ignore_end=True)
        assert done.reason is FinishReason.LENGTH
        assert done.timings.predicted_n == engine.n_ctx - len(prompt)
        with pytest.raises(ValueError, match=str(engine.n_ctx)):
            engine.submit(GenerationRequest(prompt=prompt + prompt))
    finally:
        engine.close()


def test_seeds_reproduce(exact: Model) -> None:
    """The same seed draws the same words; another draws others."""
    engine = Engine(exact, EngineOptions(n_ctx=512, cache_type="f32"))

    def draw(seed: int) -> str:
        sampling = SamplingParameters(temperature=1.2, top_k=40, seed=seed)
        request = GenerationRequest(prompt=tokens(exact, STORY), max_tokens=20, sampling=sampling)
        return finish(engine.submit(request))[0]

    try:
        assert draw(1) == draw(1)
        assert draw(1) != draw(2)
    finally:
        engine.close()


def test_penalties_and_bias(engine: Engine, model: Model) -> None:
    """A banned token never comes, and a strong penalty ends repetition."""
    sentence = "The lamp in the hall is on."
    prompt = tokens(model, f"{sentence}\n" * 12)

    def draw(**sampling: object) -> str:
        parameters = SamplingParameters(temperature=0, **sampling)  # type: ignore[arg-type]
        request = GenerationRequest(prompt=prompt, max_tokens=8, sampling=parameters)
        return finish(engine.submit(request))[0]

    assert draw().startswith(sentence)
    lamp = model.tokenize(" lamp")[0]
    assert "lamp" not in draw(logit_bias={lamp: -100.0})
    assert not draw(repeat_penalty=3.0).startswith(sentence)


def test_cancelling_in_prefill(model: Model) -> None:
    """A generation that is cancelled while its prompt is read ends within half a second, and the engine goes on."""
    engine = Engine(model, EngineOptions(n_ctx=8192, n_batch=4096))
    try:
        prompt = tokens(model, "The lamp in the hall is on. " * 600)[:4000]
        generation = engine.submit(GenerationRequest(prompt=prompt, max_tokens=5))
        time.sleep(0.4)
        cancelled = time.monotonic()
        generation.cancel()
        _, done = finish(generation)
        assert done.reason is FinishReason.CANCELLED
        assert done.timings.predicted_n == 0
        assert time.monotonic() - cancelled < 0.5
        assert say(engine, tokens(model, STORY))[0]
    finally:
        engine.close()


def test_cancelling_while_speaking_and_waiting(engine: Engine, model: Model) -> None:
    """Of two generations, one speaking and one waiting, each can be cancelled without the other."""
    speaking = engine.submit(GenerationRequest(prompt=tokens(model, STORY), sampling=GREEDY, ignore_end=True))
    waiting = engine.submit(GenerationRequest(prompt=tokens(model, STORY), max_tokens=5, sampling=GREEDY))
    waiting.cancel()
    assert speaking.next_event(timeout=10) is not None
    speaking.cancel()
    assert finish(speaking)[1].reason is FinishReason.CANCELLED
    assert finish(waiting)[1].reason is FinishReason.CANCELLED
    assert say(engine, tokens(model, STORY), 5)[1].timings.predicted_n == 5


def test_many_at_once(exact: Model) -> None:
    """Requests from several threads are all answered, each with what it asked for."""
    words = ["red", "green", "blue", "white", "black", "brown"]
    engine = Engine(exact, EngineOptions(n_ctx=2048, cache_type="f32"))
    alone = {word: say(engine, tokens(exact, f"The colour {word} is"), 6)[0] for word in words}
    answers: dict[str, str] = {}

    def ask(word: str) -> None:
        answers[word] = say(engine, tokens(exact, f"The colour {word} is"), 6)[0]

    threads = [threading.Thread(target=ask, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    assert answers == alone


def test_closing(model: Model) -> None:
    """Closing ends what runs and what waits, and nothing more is taken."""
    engine = Engine(model, EngineOptions(n_ctx=512))
    running = engine.submit(GenerationRequest(prompt=tokens(model, STORY), ignore_end=True))
    waiting = engine.submit(GenerationRequest(prompt=tokens(model, STORY)))
    assert running.next_event(timeout=10) is not None
    engine.close()
    assert finish(running)[1].reason is FinishReason.CANCELLED
    last = list(waiting.events())[-1]
    assert isinstance(last, Done | Failed)
    with pytest.raises(EngineClosedError):
        engine.submit(GenerationRequest(prompt=tokens(model, STORY)))
    engine.close()


def test_idle_costs_nothing(engine: Engine) -> None:
    """An engine with nothing to do uses no processor time."""
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.05
    assert engine.n_ctx == 2048


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    """A file that llama.cpp refuses raises an error with its name and the reason."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00" + bytes(64))
    with pytest.raises(ModelLoadError, match=r"broken\.gguf"):
        Model(path)
