"""What a tool markup has to tell, and what most of them have in common."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from home_llm.chat.markups.lark import Binding
from home_llm.chat.markups.parser import Block, BlockParser
from home_llm.chat.vocabulary import Reasoning, Text, Tool, ToolCall


class CallParser(Protocol):
    """Reads calls out of a stream of text, one generation each.

    A Text that it yields tells where in all that it was fed it begins.
    """

    def feed(self, text: str) -> Iterator[Text | Reasoning | ToolCall]:
        """Yield what is certain now: never a piece of markup, every call complete."""

    def close(self, *, truncated: bool) -> Iterator[Text | Reasoning | ToolCall]:
        """Yield the rest; a call that was `truncated` by the token limit is not made."""


class Markup(Protocol):
    """How one family of models is told of tools, and how it writes calls."""

    @property
    def name(self) -> str:
        """What requests and the catalogue call it."""

    @property
    def markers(self) -> tuple[str, ...]:
        """What may be a special token of the model and must be seen in its answers."""

    @property
    def stops(self) -> tuple[str, ...]:
        """What ends an answer with calls, where the model does not end it by itself."""

    @property
    def frames(self) -> bool:
        """Whether it frames every answer, also those without calls. Its parser then tells thoughts from speech."""

    @property
    def opening(self) -> str:
        """Where it frames every answer, what begins one that is nothing but words."""

    @property
    def single(self) -> bool:
        """Whether the family's templates show one call in a message and no more."""

    def describe(self, tools: Sequence[Tool]) -> str:
        """Return the text for the system prompt of a model whose template knows no tools."""

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """Return calls as the model writes them, for its own earlier turns."""

    def write_result(self, content: str) -> str | None:
        """Return a tool's result as the user's next message, or None where the model need not see it."""

    def grammar(self, binding: Binding) -> str:
        """Return a Lark grammar of the answers that a binding admits."""

    def parser(self, tools: Sequence[Tool]) -> CallParser:
        """Return a parser for one generation."""


class BlockMarkup:
    """A markup whose calls stand in blocks; see Markup."""

    name: str
    markers: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    frames = False
    opening = ""
    single = False

    # How the description goes on before the example.
    instruction = "To call one, answer with a JSON object that holds its name and arguments, like this:"

    @property
    @abstractmethod
    def example(self) -> str:
        """A call of a function, as the description shows it."""

    def describe(self, tools: Sequence[Tool]) -> str:
        """See Markup."""
        listed = "\n".join(json.dumps(tool.as_openai, ensure_ascii=False) for tool in tools)
        return f"You can call these functions:\n<tools>\n{listed}\n</tools>\n{self.instruction}\n{self.example}"

    @abstractmethod
    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """See Markup."""

    def write_result(self, content: str) -> str | None:
        """See Markup."""
        return f"<tool_response>\n{content}\n</tool_response>"

    @abstractmethod
    def grammar(self, binding: Binding) -> str:
        """See Markup."""

    @abstractmethod
    def blocks(self, tools: Sequence[Tool]) -> Sequence[Block]:
        """Return the ways in which the family writes calls, the usual one first."""

    def parser(self, tools: Sequence[Tool]) -> CallParser:
        """See Markup."""
        return BlockParser(self.blocks(tools))


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
