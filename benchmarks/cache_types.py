"""What the types of the KV cache cost and what they are worth: python -m benchmarks.cache_types MODEL.gguf.

In one process, without a server and without a peer: the time of short decodes after a long prompt, and how far the
predictions for the text of this project's own documents move from those with `f16`. How far they move with `f32` is
what any rounding does, since llama.cpp rounds what goes into each product of quantized weights.
"""

import argparse
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from home_llm.llama import Batch, CacheType, Context, Model

_TYPES: Final[tuple[CacheType, ...]] = ("f16", "q8_0/f16", "q8_0")
_OTHERS: Final[tuple[CacheType, ...]] = ("f32", *_TYPES[1:])
_BATCH: Final = 512
_STEPS: Final = (1, 2, 8, 20)
_ROOT: Final = Path(__file__).parents[1]
_TEXTS: Final = ("DOCS.md", "docs/api.md", "docs/architecture.md")

Predictions = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far predictions are from others: mean and 99th percentile of the divergence in nats, and the same guesses."""

    mean: float
    worst: float
    same: float
    loss: float


@contextmanager
def _context(model: Model, size: int, cache_type: CacheType, threads: int) -> Iterator[tuple[Context, Batch]]:
    context, batch = Context(model, n_ctx=size, n_batch=_BATCH, threads=threads, cache_type=cache_type), Batch(_BATCH)
    try:
        yield context, batch
    finally:
        batch.close()
        context.close()


def predictions(model: Model, tokens: Sequence[int], cache_type: CacheType, *, threads: int) -> Predictions:
    """Return the logarithms of the probabilities after each token, shape (tokens, n_vocab)."""
    table = np.empty((len(tokens), model.n_vocab), np.float32)
    with _context(model, len(tokens) + 1, cache_type, threads) as (context, batch):
        for start in range(0, len(tokens), _BATCH):
            part = tokens[start : start + _BATCH]
            batch.clear()
            batch.add(part, position=start, sequence=0, logits=len(part))
            context.decode(batch)
            for index in range(len(part)):
                table[start + index] = context.logits(index)
    table -= table.max(axis=1, keepdims=True)
    table -= np.log(np.exp(table).sum(axis=1, keepdims=True))
    return table


def drift(reference: Predictions, other: Predictions, tokens: Sequence[int]) -> Drift:
    """Compare predictions: the Kullback-Leibler divergence of each from the reference's."""
    divergence = (np.exp(reference) * (reference - other)).sum(axis=1)
    guesses = reference.argmax(axis=1) == other.argmax(axis=1)
    loss = -other[np.arange(len(tokens) - 1), np.array(tokens[1:])].mean()
    return Drift(float(divergence.mean()), float(np.quantile(divergence, 0.99)), float(guesses.mean()), float(loss))


def step_times(model: Model, depth: int, rounds: int, threads: int) -> dict[str, dict[int, float]]:
    """Return the median milliseconds of decodes of few tokens after `depth` cached ones, the types taken in turn."""
    times: dict[str, dict[int, list[float]]] = {name: {step: [] for step in _STEPS} for name in _TYPES}
    words = random.Random(1)  # noqa: S311 - a prompt, not a secret
    prompt = [words.randrange(1000, min(model.n_vocab, 40_000)) for _ in range(depth)]
    for _ in range(rounds):
        for name in _TYPES:
            with _context(model, depth + max(_STEPS) + 1, name, threads) as (context, batch):
                for start in range(0, depth, _BATCH):
                    _decode(context, batch, prompt[start : start + _BATCH], start)
                for step in _STEPS * 5:
                    context.truncate(0, depth)
                    began = time.perf_counter()
                    _decode(context, batch, prompt[:step], depth)
                    times[name][step].append(time.perf_counter() - began)
    return {
        name: {step: statistics.median(taken) * 1000 for step, taken in steps.items()} for name, steps in times.items()
    }


def _decode(context: Context, batch: Batch, tokens: Sequence[int], position: int) -> None:
    batch.clear()
    index = batch.add(tokens, position=position, sequence=0, logits=1)
    context.decode(batch)
    context.logits(index)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.cache_types", description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help=".gguf file")
    parser.add_argument("--tokens", type=int, default=2048, help="length of the text")
    parser.add_argument("--depth", type=int, nargs="*", default=[1000, 5000], help="cached tokens before a decode")
    parser.add_argument("--rounds", type=int, default=1, help="times that each is measured, with 5 decodes each")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    model = Model(options.model)
    text = "".join((_ROOT / name).read_text() for name in _TEXTS)
    tokens = model.tokenize(text, parse_special=False)[: options.tokens]
    reference = predictions(model, tokens, "f16", threads=options.threads)
    print(f"{model.path.name}, {len(tokens):,} tokens; distance from f16 in nats")  # noqa: T201
    for name in _OTHERS:
        table = predictions(model, tokens, name, threads=options.threads)
        found = drift(reference, table, tokens)
        print(  # noqa: T201
            f"  {name:<9} mean {found.mean:.5f}  99th percentile {found.worst:.4f}  same guess {found.same:.1%}"
            f"  loss {found.loss:.4f}"
        )
    for depth in options.depth:
        print(f"milliseconds of a decode after {depth:,} tokens, N={options.rounds * 5}")  # noqa: T201
        for kept, steps in step_times(model, depth, options.rounds, options.threads).items():
            print(f"  {kept:<9}", "  ".join(f"{step}: {taken:.1f}" for step, taken in steps.items()))  # noqa: T201


if __name__ == "__main__":
    main()
