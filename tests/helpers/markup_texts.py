"""Answers in every markup, made of texts and calls, and how they are read."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from home_llm.chat.markups import MARKUPS, CallParser
from home_llm.chat.vocabulary import Reasoning, Text, Tool, ToolCall

Call = tuple[str, dict[str, Any]]
Read = tuple[str, str, list[Call]]

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "room": {"type": "string", "enum": ["Kitchen", "Hall"]},
        "words": {"type": "string"},
        "brightness": {"type": "integer"},
        "ratio": {"type": "number"},
        "on": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}},
        "detail": {"type": "object"},
    },
    "required": ["room"],
}
LIGHT = Tool("light.set", "Set a light", PARAMETERS)
STOP = Tool("stop_all", "Stop everything")
TOOLS = (LIGHT, STOP)

# What only the family's own writer knows to be markup; texts between calls must not hold it.
OPENINGS = {
    "any": ("<tool_call>", "</tool_call>", "<function=", "[TOOL_CALLS]", "<functioncall>", "<|tool_call>", "```json"),
    "functioncall": ("<functioncall>",),
    "functiongemma": ("<start_function_call>", "<end_function_call>"),
    "gemma": ("```tool_code",),
    "gemma4": ("<|tool_call>", "<tool_call|>"),
    "gpt-oss": ("<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|call|>", "<|return|>", "<|constrain|>"),
    "granite": ("<|tool_call|>", "<tool_call>", "</tool_call>"),
    "hermes": ("<tool_call>", "</tool_call>"),
    "home-block": ("```homeassistant",),
    "home-json": ("```homeassistant",),
    "lfm2": ("<|tool_call_start|>", "<|tool_call_end|>"),
    "llama3": ("<|python_tag|>",),
    "mistral": ("[TOOL_CALLS]",),
    "mistral-args": ("[TOOL_CALLS]",),
    "phi": ("<|tool_call|>", "<|/tool_call|>", "functools["),
    "qwen-coder": ("<tool_call>", "</tool_call>", "<function="),
    "smollm": ("<tool_call>", "</tool_call>"),
}

# What the strings of calls cannot hold in a markup that writes them as they are.
UNWRITABLE = {
    "functiongemma": ("<escape>",),
    "gemma4": ('<|"|>',),
    "qwen-coder": ("</parameter>",),
}


def calls_of(parser: CallParser, pieces: Sequence[str], *, truncated: bool = False) -> Read:
    """Return what was said, what was thought and what was called."""
    events = [event for piece in pieces for event in parser.feed(piece)]
    events += parser.close(truncated=truncated)
    assert all(event.text for event in events if not isinstance(event, ToolCall))
    said = "".join(event.text for event in events if isinstance(event, Text))
    thought = "".join(event.text for event in events if isinstance(event, Reasoning))
    return said, thought, [(event.name, event.arguments) for event in events if isinstance(event, ToolCall)]


def every_cut(text: str) -> list[list[str]]:
    """Return the text whole, by characters, and cut in two at every place."""
    return [[text], list(text), *([text[:place], text[place:]] for place in range(1, len(text)))]


def cut(text: str, places: Sequence[int]) -> list[str]:
    """Return the text cut at these places, wherever they lie."""
    points = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[begin:end] for begin, end in pairwise(points)]


def answer(name: str, parts: Sequence[str | list[ToolCall]]) -> str:
    """Return an answer of a family.

    Args:
        name: the markup.
        parts: what is said, and what is called at once.
    """
    written = [part if isinstance(part, str) else MARKUPS[name].write_calls(part, TOOLS) for part in parts]
    if name != "gpt-oss":
        # What follows a fence stands on a line of its own.
        return "\n".join(written)
    framed = [
        f"<|channel|>final<|message|>{text}<|end|>" if isinstance(part, str) else text
        for part, text in zip(parts, written, strict=True)
    ]
    return "<|start|>assistant".join(framed)


def words(text: str) -> str:
    """Return a text without white space: around calls it is layout."""
    return "".join(text.split())
