"""Measures of bare generation: prefill, decode, several streams."""

import contextlib
import threading
from typing import Final

from benchmarks import machine
from benchmarks.bench import Bench
from benchmarks.client import BenchError, Stream
from benchmarks.prompts import STORY, random_tokens
from benchmarks.samples import Row
from benchmarks.servers import Server

DECODE_TOKENS: Final = 128
# Greedy small models repeat themselves, which would flatter whoever guesses ahead: people's settings do not.
_SAMPLING: Final = {
    "temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "repeat_penalty": 1.0, "ignore_eos": True
}  # fmt: skip


def prefill(bench: Bench, name: str, tokens: int, usual: int, quick: int) -> list[Row]:
    """Read a prompt that no cache knows, and answer with one token."""
    n_vocab = bench.n_vocab

    def sample(server: Server, _number: int) -> float:
        prompt = random_tokens(bench.random, tokens, n_vocab)
        reply = server.ask("/v1/completions", {"prompt": prompt, "max_tokens": 1, "temperature": 0})
        if abs(reply.prompt_tokens - tokens) > 2 or reply.cached_tokens > tokens // 100:
            raise BenchError(
                f"read {reply.prompt_tokens} tokens, {reply.cached_tokens} from its cache, not {tokens} new ones"
            )
        return reply.prompt_tokens / reply.seconds

    ours, peer = bench.both(bench.times(usual, quick), sample, warm=lambda server: _touch(server, bench, n_vocab))
    return [Row(name, f"Prefill, {tokens:,} tokens", "tokens/s", ours, peer, higher_is_better=True, goal=1.0)]


def _touch(server: Server, bench: Bench, n_vocab: int) -> float:
    """Touch the weights and the buffers once."""
    return server.ask(
        "/v1/completions", {"prompt": random_tokens(bench.random, 64, n_vocab), "max_tokens": 8, "temperature": 0}
    ).seconds


def decode(bench: Bench) -> list[Row]:
    """Generate with one stream."""

    def sample(server: Server, number: int) -> float:
        answer = story(server, number, DECODE_TOKENS)
        return (answer.completion_tokens - 1) / (answer.last - answer.first)

    ours, peer = bench.both(bench.times(10, 3), sample, warm=lambda server: sample(server, 99))
    size = bench.plan.model.stat().st_size / 1e9
    bandwidth = machine.memory_bandwidth(bench.peer_threads)
    note = (
        f"Every token reads all the weights ({size:.2f} GB). The cores copy memory at {bandwidth:.1f} GB/s, "
        f"read and written: beyond the processor's caches, {bandwidth / size:.0f} tokens/s is about the limit."
    )
    return [Row("decode", "Decode, one stream", "tokens/s", ours, peer, higher_is_better=True, goal=1.0, notes=(note,))]


def streams(bench: Bench, name: str, count: int, quick: int) -> list[Row]:
    """Generate with several streams at once."""

    def sample(server: Server, number: int) -> float:
        answers: list[Stream | BenchError] = []

        def run(index: int) -> None:
            try:
                answers.append(story(server, 1000 + number * count + index, DECODE_TOKENS))
            except BenchError as error:
                answers.append(error)

        workers = [threading.Thread(target=run, args=(index,)) for index in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        good = [answer for answer in answers if isinstance(answer, Stream)]
        if len(good) < count:
            reason = next(answer for answer in answers if isinstance(answer, BenchError))
            raise BenchError(f"{count - len(good)} of {count} streams failed: {reason}")
        seconds = max(answer.last for answer in good) - min(answer.started for answer in good)
        return sum(answer.completion_tokens for answer in good) / seconds

    with bench.many_slots() if count > 4 else contextlib.nullcontext():
        ours, peer = bench.both(bench.times(5, quick), sample, warm=lambda server: sample(server, 99))
    notes = ("llama-server with --parallel 8 --kv-unified: by itself it makes four slots.",) if count > 4 else ()
    return [
        Row(name, f"{count} streams, together", "tokens/s", ours, peer, higher_is_better=True, goal=1.0, notes=notes)
    ]


def story(server: Server, number: int, tokens: int) -> Stream:
    """Stream an answer of so many tokens."""
    body = {"prompt": STORY.format(number=number), "max_tokens": tokens, "seed": number, **_SAMPLING}
    answer = server.stream("/v1/completions", body)
    if answer.completion_tokens != tokens:
        raise BenchError(f"generated {answer.completion_tokens} tokens, not {tokens}")
    return answer
