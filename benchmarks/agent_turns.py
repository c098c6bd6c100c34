"""Measures of three who share the cache: two agents and an AI task."""

from collections.abc import Sequence
from typing import Final

from benchmarks.bench import Bench
from benchmarks.prompts import agents
from benchmarks.samples import Row, Series
from benchmarks.servers import Server

_AGENT_TOKENS: Final = 5000
_QUICK_AGENT_TOKENS: Final = 1000


def agents_in_turn(bench: Bench) -> list[Row]:
    """Two agents and an AI task, one after the other: time to the first token."""
    prompts = _agent_prompts(bench)
    ours, peer = _rounds(bench, prompts, "Tell me about device", bench.times(6, 2))
    (alone,) = bench.take(
        [bench.ours],
        3 * bench.times(6, 2),
        lambda server, number: _first_token(server, prompts[0], f"And what is with device {number}?"),
        warm=lambda server: _first_token(server, prompts[0], "hello"),
    )
    notes = (f"Three system prompts of {bench.count(prompts[0]):,} tokens with no beginning in common.",)
    return [
        Row("agents", "Two agents and an AI task in turn, to the first token", "s", ours, peer, goal=0.5, notes=notes),
        Row(
            "agents_alone",
            "Our three in turn, beside our one agent alone",
            "s",
            ours,
            alone,
            goal=1.2,
            other_name="Home LLM, one agent",
        ),
    ]


def agents_busy(bench: Bench) -> list[Row]:
    """The same while another process keeps a core busy."""
    prompts = _agent_prompts(bench)
    ours, peer = _rounds(bench, prompts, "Once more, what is device", bench.times(6, 2), busy=True)
    title = "Two agents and an AI task in turn, one core kept busy"
    return [Row("agents_busy", title, "s", ours, peer, goal=0.5)]


def _rounds(
    bench: Bench, prompts: Sequence[str], question: str, rounds: int, *, busy: bool = False
) -> tuple[Series, Series]:
    """Ask the three in turn, again and again; each has been read once before."""

    def sample(server: Server, number: int) -> float:
        return _first_token(server, prompts[number % len(prompts)], f"{question} {number}?")

    def warm(server: Server) -> float:
        return sum(_first_token(server, prompt, "hello") for prompt in prompts)

    return bench.both(len(prompts) * rounds, sample, warm=warm, busy=busy)


def _agent_prompts(bench: Bench) -> list[str]:
    bench.peer.ensure()
    # The cache has room for the three, with their questions and answers.
    most = _QUICK_AGENT_TOKENS if bench.plan.quick else _AGENT_TOKENS
    return agents(bench.house, min(most, int(bench.plan.context_size * 0.8) // 3), bench.count)


def _first_token(server: Server, system: str, question: str) -> float:
    """Return the seconds to a whole answer of one token: what a stream shows first depends on more than the model."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return server.ask("/v1/chat/completions", {"messages": messages, "max_tokens": 1, "temperature": 0}).seconds
