"""Measures of a house: a command, up to the complete tool call."""

import contextlib
import json
import statistics
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.client import BenchError, Stream
from benchmarks.prompts import COMMANDS, MANNERS, call_schema, names_of
from benchmarks.samples import Row, Series
from benchmarks.servers import Server

_ANSWER_TOKENS: Final = 192
# The ways to have llama-server call a tool: as Home Assistant asks, and bound as tightly as we bind ourselves, with the
# prompt of its own /apply-template.
ROUTES: Final = {
    "tools": 'tools with tool_choice "required"',
    "schema": "a completion with the JSON schema of a call and the same allowed values",
}


def house(bench: Bench) -> list[Row]:
    """A command to a house that the server knows, up to the complete tool call."""
    turns = _Turns(bench, MANNERS[0])
    ours, peer = turns.take(bench.times(10, 3), busy=False)
    title = "Warm house turn, command to complete tool call"
    return [Row("house", title, "s", ours, peer, goal=0.6, notes=(*turns.notes(), bench.peer_route_note))]


def house_busy(bench: Bench) -> list[Row]:
    """The same while another process keeps a core busy."""
    turns = _Turns(bench, MANNERS[1])
    ours, peer = turns.take(bench.times(10, 3), busy=True)
    return [Row("house_busy", "Warm house turn, one core kept busy", "s", ours, peer, notes=turns.notes())]


class _Turns:
    """House turns, and what came of them."""

    def __init__(self, bench: Bench, manner: str) -> None:
        self._bench = bench
        self._manner = manner
        self._complete: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._tokens: dict[str, list[int]] = {}
        self._prompts: dict[str, int] = {}

    def take(self, count: int, *, busy: bool) -> tuple[Series, Series]:
        """Take turns of both servers; one that never made a call has failed."""
        ours, peer = self._bench.both(count, self.sample, warm=self.warm, busy=busy)
        return self._judged(self._bench.ours, ours), self._judged(self._bench.peer, peer)

    def warm(self, server: Server) -> float:
        """Let the server read the house, and find out how llama-server can be made to call."""
        if server is self._bench.peer:
            _find_route(self._bench)
        return house_turn(self._bench, server, "what can you do?")[0]

    def sample(self, server: Server, number: int) -> float:
        """Give a command; return the seconds until its call was complete, or until the answer ended without one."""
        seconds, complete, answer = house_turn(self._bench, server, command_for(self._manner, number))
        name = server.name
        self._asked[name] = self._asked.get(name, 0) + 1
        self._complete[name] = self._complete.get(name, 0) + complete
        self._tokens.setdefault(name, []).append(answer.completion_tokens)
        self._prompts[name] = int(answer.usage["prompt_tokens"])
        return seconds

    def _judged(self, server: Server, series: Series) -> Series:
        if not series.failure and not self._complete.get(server.name):
            return Series(series.values, f"no complete tool call in {len(series.values)} turns")
        return series

    def notes(self) -> tuple[str, ...]:
        """Return how many turns made a call, and of how many tokens."""
        told = [
            f"{name}: {self._complete[name]} of {asked} turns made a complete call; prompt of "
            f"{self._prompts[name]:,} tokens, answers of {sum(self._tokens[name]) / asked:.0f}"
            for name, asked in self._asked.items()
        ]
        return (f"{'. '.join(told)}.",) if told else ()


def house_turn(bench: Bench, server: Server, command: str) -> tuple[float, bool, Stream]:
    """Return the seconds to the complete call, whether there was one, and the answer."""
    house = bench.house
    if server is bench.peer and bench.peer_route == "schema":
        answer = server.stream("/v1/completions", _schema_body(bench, command))
        when = _complete_json(answer, house.tool_names)
    else:
        body = _house_body(bench, server, command)
        answer = server.stream("/v1/chat/completions", {**body, "max_tokens": _ANSWER_TOKENS})
        when = answer.complete_call(house.tool_names)
    return (when or answer.last) - answer.started, when is not None, answer


def _house_body(bench: Bench, server: Server, command: str) -> dict[str, Any]:
    house = bench.house
    body: dict[str, Any] = {
        "messages": [*house.messages, {"role": "user", "content": command}],
        "tools": house.tools,
        "tool_choice": "required",
        # One command, one call: how many more a model would add is not what is measured.
        "parallel_tool_calls": False,
        "temperature": 0,
    }
    return {**body, "home_llm": {"allowed_values": house.allowed_values}} if server is bench.ours else body


def _schema_body(bench: Bench, command: str) -> dict[str, Any]:
    """Return a completion of the prompt as llama-server's template renders it, bound to the schema of a call."""
    house = bench.house
    messages = [*house.messages, {"role": "user", "content": command}]
    prompt = bench.peer.ask("/apply-template", {"messages": messages, "tools": house.tools}).body["prompt"]
    return {
        "prompt": prompt,
        "json_schema": call_schema(house.tools, house.allowed_values),
        "temperature": 0,
        "max_tokens": _ANSWER_TOKENS,
    }


def _complete_json(answer: Stream, tools: frozenset[str]) -> float | None:
    text = ""
    for when, chunk in answer.chunks:
        text += "".join(choice.get("text") or "" for choice in chunk.get("choices", ()))
        if text.rstrip().endswith("}"):
            with contextlib.suppress(ValueError):
                call = json.loads(text)
                if isinstance(call, dict) and call.get("name") in tools and isinstance(call.get("arguments"), dict):
                    return when
    return None


def _find_route(bench: Bench) -> None:
    """Find the way in which llama-server is best at calling a tool, which is how it is measured."""
    if bench.peer_route:
        return
    found: dict[str, tuple[int, float]] = {}
    for index, route in enumerate(ROUTES):
        bench.peer_route = route
        # Read the house first: the first way tried must not pay for that.
        house_turn(bench, bench.peer, "hello")
        try:
            turns = [house_turn(bench, bench.peer, f"{MANNERS[4 + index]}{command}") for command in COMMANDS[:3]]
        except BenchError:
            continue
        found[route] = sum(complete for _, complete, _ in turns), statistics.median(seconds for seconds, _, _ in turns)
    if not found:
        bench.peer_route = ""
        raise BenchError("no way to a tool call works")
    bench.peer_route = min(found, key=lambda route: (-found[route][0], found[route][1]))
    told = "; ".join(f"{ROUTES[route]}: {calls} of 3, {seconds:.2f} s" for route, (calls, seconds) in found.items())
    bench.peer_route_note = f"llama-server was asked in the better of the ways tried ({told})."


def compact(bench: Bench) -> list[Row]:
    """The same house in the compact home format, which only we speak."""
    tools = names_of(bench.house.compact_tools)
    calls: list[bool] = []

    def turn(server: Server, command: str, fresh: str = "") -> Stream:
        first, *rest = bench.house.compact_messages
        messages = [{**first, "content": f"{fresh}{first['content']}"}, *rest, {"role": "user", "content": command}]
        body = {
            "messages": messages,
            "tools": bench.house.compact_tools,
            "tool_choice": "required",
            "home_llm": {"tool_markup": "home", "render_tools": False},
            "temperature": 0,
            "max_tokens": _ANSWER_TOKENS,
        }
        return server.stream("/v1/chat/completions", body)

    prompt_tokens = 0

    def sample(server: Server, number: int, fresh: str = "") -> float:
        nonlocal prompt_tokens
        answer = turn(server, command_for(MANNERS[0], number), fresh)
        prompt_tokens = int(answer.usage["prompt_tokens"])
        when = answer.complete_call(tools)
        calls.append(when is not None)
        return (when or answer.last) - answer.started

    def cold(server: Server, number: int) -> float:
        return sample(server, number, f"House {bench.random.randrange(10**9)}. ")

    (warm_series,) = bench.take(
        [bench.ours], bench.times(10, 3), sample, warm=lambda server: turn(server, "what can you do?").last
    )
    (cold_series,) = bench.take([bench.ours], bench.times(5, 2), cold)
    notes = (f"{sum(calls)} of {len(calls)} turns made a complete call; prompt of {prompt_tokens:,} tokens.",)
    return [
        Row("compact", "The same in the compact home format", "s", warm_series, notes=notes),
        Row("compact_cold", "First turn in the compact home format, nothing cached", "s", cold_series),
    ]


def restart(bench: Bench) -> list[Row]:
    """A house turn right after the server was restarted: the seconds to its first token, and to be ready at all."""
    ready: dict[str, list[float]] = {}
    cached: dict[str, list[str]] = {}

    def first_turn(server: Server, command: str) -> float:
        body = {**_house_body(bench, server, command), "tool_choice": "auto", "max_tokens": 1}
        reply = server.ask("/v1/chat/completions", body)
        cached.setdefault(server.name, []).append(f"{reply.cached_tokens:,} of {reply.prompt_tokens:,}")
        return reply.seconds

    def sample(server: Server, number: int) -> float:
        server.stop()
        ready.setdefault(server.name, []).append(server.start())
        return first_turn(server, command_for(MANNERS[2], number))

    ours, peer = bench.both(
        bench.times(3, 1), sample, warm=lambda server: first_turn(server, "hello, what can you do?")
    )
    told = (f"{name}: {', '.join(counts[1:])}" for name, counts in cached.items())
    series = [
        Series(tuple(ready.get(server.name, ())), "" if ready.get(server.name) else "it did not start")
        for server in (bench.ours, bench.peer)
    ]
    return [
        Row(
            "restart",
            "First house turn after a restart, to the first token",
            "s",
            ours,
            peer,
            goal=1 / 15,
            notes=(f"Prompt tokens that were cached: {'; '.join(told)}.",),
        ),
        Row("ready", "Start, to ready", "s", series[0], series[1]),
    ]


def command_for(manner: str, number: int) -> str:
    """Return a command that was not said before in the same manner."""
    command = COMMANDS[number % len(COMMANDS)]
    again = number // len(COMMANDS)
    return f"{manner}{command}{f', for the {again + 1}th time' if again else ''}"
