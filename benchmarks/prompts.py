"""What the servers are asked: random prompts, texts cut to a length, and the house."""

import copy
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

# Commands for the demo house, each a new text at the end of the same prompt.
COMMANDS = (
    "turn on the bed light",
    "turn off the kitchen lights",
    "close the garage door",
    "lock the kitchen door",
    "turn on the ceiling fan",
    "set the heat pump to 21 degrees",
    "turn off the decorative lights",
    "start the vacuum on the ground floor",
    "pause the living room",
    "dim the ceiling lights to 30 percent",
    "turn off the AC",
    "open the hall window",
)
# Said before a command, so that no two measures end with the same words.
MANNERS = ("", "please ", "hey, ", "could you ", "now ", "quick, ")

STORY = "Write a long story about a house number {number}, the people who lived in it, and the weather of that year."

_PERSONAS = (
    "You are Al, the assistant of the ground floor. You answer in one short sentence.\n",
    "Marvin is the assistant of the children's rooms. He is patient, and explains what he does.\n",
    "Read the notes about the house below. Return the devices that need attention as a JSON list of names.\n",
)


@dataclass(frozen=True, slots=True)
class House:
    """A demo house as Home Assistant describes it to a conversation agent, in its own format and in the compact one.

    Args:
        version: of Home Assistant.
        entities: how many are exposed.
        messages: the system prompt of the Assist API.
        tools: its tools.
        allowed_values: the names, areas and floors that exist.
        compact_messages: the compact system prompt and its examples.
        compact_tools: the tools of the compact format.
    """

    version: str
    entities: int
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    allowed_values: dict[str, list[str]]
    compact_messages: list[dict[str, Any]]
    compact_tools: list[dict[str, Any]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `benchmarks.capture_house` wrote.

        Raises:
            OSError, ValueError, KeyError: the file is missing, or is another.
        """
        data = json.loads(path.read_text("utf-8"))
        assist, home = data["assist"], data["home"]
        return cls(
            version=data["home_assistant"],
            entities=data["entities"],
            messages=assist["messages"],
            tools=assist["tools"],
            allowed_values=assist["allowed_values"],
            compact_messages=home["messages"],
            compact_tools=home["tools"],
        )

    @property
    def tool_names(self) -> frozenset[str]:
        """The names of Home Assistant's tools."""
        return names_of(self.tools)

    def text(self) -> str:
        """Return everything that is said of the house, as plain text."""
        system = "\n".join(str(message["content"]) for message in self.messages)
        return "\n".join([system, *(json.dumps(tool) for tool in self.tools)])


def names_of(tools: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the names of OpenAI tools."""
    return frozenset(tool["function"]["name"] for tool in tools)


def random_tokens(generator: random.Random, count: int, n_vocab: int) -> list[int]:
    """Return a prompt of tokens that no cache can know.

    The ends of the vocabulary are left out: control tokens are found there.
    """
    low, high = n_vocab // 50, n_vocab - n_vocab // 50
    return [generator.randrange(low, high) for _ in range(count)]


def cut(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """Return the longest beginning of a text that has at most so many tokens, to within a percent.

    Args:
        text: what to cut; it is repeated where it is too short.
        tokens: how many to keep.
        count: counts the tokens of a text.
    """
    if tokens <= 0 or not text:
        return ""
    while (total := count(text)) < tokens:
        text = text + "\n" + text
    if total == tokens:
        return text
    low, high = 0, len(text)
    best = ""
    while high - low > 1:
        middle = (low + high) // 2
        found = count(text[:middle])
        if found <= tokens:
            low, best = middle, text[:middle]
            if found >= tokens * 0.99:
                break
        else:
            high = middle
    return best


def agents(house: House, tokens: int, count: Callable[[str], int]) -> list[str]:
    """Return the system prompts of two agents and of an AI task, which have no beginning in common."""
    lines = house.text().splitlines()
    prompts = []
    for number, persona in enumerate(_PERSONAS):
        shuffled = list(lines)
        random.Random(number).shuffle(shuffled)  # noqa: S311 - the same text in every run
        prompts.append(cut(persona + "\n".join(shuffled), tokens, count))
    return prompts


def call_schema(tools: Sequence[Mapping[str, Any]], allowed_values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the JSON schema of one call of any of the tools, as Hermes and Qwen models write it.

    Args:
        tools: OpenAI tools.
        allowed_values: for parameters of that name, the only values that they may have.
    """
    return {"anyOf": [_one_call(tool["function"], allowed_values) for tool in tools]}


def _one_call(function: Mapping[str, Any], allowed_values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    parameters = copy.deepcopy(dict(function["parameters"]))
    for name, schema in parameters.get("properties", {}).items():
        if schema.get("type") == "string" and "enum" not in schema and name in allowed_values:
            schema["enum"] = list(allowed_values[name])
    return {
        "type": "object",
        "properties": {"name": {"const": function["name"]}, "arguments": parameters},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
