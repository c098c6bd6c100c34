"""What a tool markup has to tell."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from home_llm.chat.vocabulary import Text, Tool, ToolCall

# Tells whether a marker is one special token of the model: in llguidance's Lark such a token is written bare.
IsSpecial = Callable[[str], bool]

# Most calls of one answer that a grammar admits: a small model that has lost its thread repeats itself for ever.
MAX_CALLS = 16


class CallParser(Protocol):
    """Reads calls out of a stream of text, one generation each.

    A Text that it yields tells where in all that it was fed it begins.
    """

    def feed(self, text: str) -> Iterator[Text | ToolCall]:
        """Yield what is certain now: never a piece of markup, every call complete."""

    def close(self, *, truncated: bool) -> Iterator[Text | ToolCall]:
        """Yield the rest; a call that was `truncated` by the token limit is not made."""


class Markup(Protocol):
    """How one family of models is told of tools, and how it writes calls."""

    name: str
    markers: tuple[str, ...]

    def describe(self, tools: Sequence[Tool]) -> str:
        """Return the text for the system prompt of a model whose template knows no tools."""

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """Return calls as the model writes them, for its own earlier turns."""

    def write_result(self, content: str) -> str | None:
        """Return a tool's result as the user's next message, or None where the model need not see it."""

    def grammar(
        self,
        tools: Sequence[Tool],
        *,
        required: bool,
        parallel: bool,
        is_special: IsSpecial,
        answer: str | None = None,
    ) -> str | None:
        """Return a Lark grammar for answers with calls, or None where the answer is free.

        Args:
            tools: at least one.
            required: whether the answer must be a call.
            parallel: whether it may be several.
            is_special: see IsSpecial.
            answer: what an answer without calls must match, as a part of a Lark rule; None is any text. There is then
                no text beside calls.
        """

    def parser(self, tools: Sequence[Tool]) -> CallParser:
        """Return a parser for one generation."""


def bind_values(schema: Any, allowed: dict[str, tuple[str, ...]]) -> Any:
    """Return a JSON schema in which string properties take only allowed values.

    Args:
        schema: the schema of a tool's parameters.
        allowed: values by property name; a property with no value at all is left out.
    """
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return schema
    properties: dict[str, Any] = {}
    for name, value in schema["properties"].items():
        if name not in allowed or not isinstance(value, dict):
            properties[name] = value
        elif allowed[name]:
            enum = {"enum": list(allowed[name])}
            properties[name] = {**value, "items": enum} if value.get("type") == "array" else enum
    required = [name for name in schema.get("required", ()) if name in properties]
    return {**schema, "properties": properties, "required": required}
