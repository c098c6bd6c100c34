"""Hermes markup, also Qwen's: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`.

The format is that of the Hermes 2 Pro model card (https://huggingface.co/NousResearch/Hermes-2-Pro-Mistral-7B) and of
Qwen's chat templates. It is also what models are asked to write whose template knows no tools.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from home_llm.chat.markups.base import MAX_CALLS, IsSpecial
from home_llm.chat.scanner import BlockScanner, Inside, Outside
from home_llm.chat.vocabulary import Text, Tool, ToolCall
from home_llm.engine import JSON_STYLE, relocated

# Keywords under which properties may be named that are not beside them.
_COMBINING = {"$ref", "allOf", "anyOf", "oneOf"}

OPENING = "<tool_call>"
CLOSING = "</tool_call>"


class HermesMarkup:
    """JSON calls between `<tool_call>` tags."""

    name = "hermes"
    markers: tuple[str, ...] = (OPENING, CLOSING)

    def describe(self, tools: Sequence[Tool]) -> str:
        """Return the text for the system prompt of a model whose template knows no tools."""
        listed = "\n".join(json.dumps(tool.as_openai, ensure_ascii=False) for tool in tools)
        return (
            "You can call these functions:\n"
            f"<tools>\n{listed}\n</tools>\n"
            "To call one, answer with a JSON object that holds its name and arguments between tool_call tags:\n"
            f'{OPENING}\n{{"name": "function_name", "arguments": {{"parameter": "value"}}}}\n{CLOSING}'
        )

    def write_calls(self, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> str:
        """Return calls as the model writes them."""
        del tools
        bodies = (json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False) for call in calls)
        return "\n".join(f"{OPENING}\n{body}\n{CLOSING}" for body in bodies)

    def write_result(self, content: str) -> str | None:
        """Return a tool's result as the user's next message."""
        return f"<tool_response>\n{content}\n</tool_response>"

    def grammar(
        self,
        tools: Sequence[Tool],
        *,
        required: bool,
        parallel: bool,
        is_special: IsSpecial,
        answer: str | None = None,
    ) -> str | None:
        """Return a Lark grammar: calls alone when one is required, else any text until a call begins.

        The text is free, and what follows an opening tag is not: a call that is begun is a right one.
        """
        opening, closing = (marker if is_special(marker) else json.dumps(marker) for marker in (OPENING, CLOSING))
        schema = {"x-guidance": JSON_STYLE, "anyOf": [_call_schema(*item) for item in enumerate(tools)]}
        more = f' ("\\n" call){{0,{MAX_CALLS - 1}}}' if parallel else ""
        rules = [
            "%llguidance {}",
            f"call: {opening} rest",
            f'rest: "\\n" body "\\n" {closing}',
            f"body: %json {json.dumps(schema)}",
        ]
        if required:
            rules.append(f"start: call{more}")
        elif answer is not None:
            rules += [f"start: call{more} | answer", f"answer: {answer}"]
        elif is_special(OPENING):
            # A special token is never a part of a text: it ends one.
            rules += [f"start: TEXT? (call{more})?", "TEXT: /(?s:.+)/"]
        else:
            rules += [
                f"start: TEXT | before rest{more}",
                f"before[suffix={json.dumps(OPENING)}]: /(?s:.*)/",
                f"TEXT: /(?s:.+)/ & ~/(?s:.*{OPENING}.*)/",
            ]
        return "\n".join([*rules, ""])

    def parser(self, tools: Sequence[Tool]) -> "HermesParser":
        """Return a parser for one generation."""
        del tools
        return HermesParser()


class HermesParser:
    """Reads calls between tags.

    A block that is no call is spoken without its tags: nothing that the model says is lost.
    """

    def __init__(self) -> None:
        self._scanner = BlockScanner(OPENING, CLOSING)
        self._block = ""
        self._block_at = 0
        # Blank text before the first word and around calls is layout of the markup, not speech.
        self._blank = ""
        self._blank_at = 0
        self._spoken = False

    def feed(self, text: str) -> Iterator[Text | ToolCall]:
        """Yield what is certain now."""
        for piece in self._scanner.feed(text):
            yield from self._read(piece, truncated=False)

    def close(self, *, truncated: bool) -> Iterator[Text | ToolCall]:
        """Yield the rest; a call whose closing tag is missing is made unless the token limit cut it."""
        for piece in self._scanner.close():
            # What was held back at the limit is the beginning of a tag, unless it is too short to tell.
            if not (truncated and isinstance(piece, Outside) and len(piece.text) > 1):
                yield from self._read(piece, truncated=truncated)
        if self._spoken and self._blank:
            yield Text(self._blank, at=self._blank_at)
            self._blank = ""

    def _read(self, piece: object, *, truncated: bool) -> Iterator[Text | ToolCall]:
        if isinstance(piece, Inside):
            self._block_at = self._block_at if self._block else piece.at
            self._block += piece.text
        elif isinstance(piece, Outside):
            yield from self._say(piece.text, piece.at)
        else:
            block, self._block = self._block, ""
            self._blank, self._spoken = "", False
            call = read_call(block)
            if call is not None:
                yield call
            elif not truncated and block.strip():
                yield from self._say(block.strip(), self._block_at + len(block) - len(block.lstrip()))

    def _say(self, text: str, at: int) -> Iterator[Text]:
        at -= len(self._blank)
        text = self._blank + text
        stripped = text.rstrip()
        self._blank, self._blank_at = text[len(stripped) :], at + len(stripped)
        if stripped:
            said = stripped if self._spoken else stripped.lstrip()
            self._spoken = True
            yield Text(said, at=at + len(stripped) - len(said))


def read_call(text: str) -> ToolCall | None:
    """Return the call that a JSON object describes, or None.

    Both `arguments` and Llama's `parameters` are understood, and arguments that are JSON in a string.
    """
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    if arguments is None:
        arguments = {}
    return ToolCall(value["name"], arguments) if isinstance(arguments, dict) else None


def _call_schema(index: int, tool: Tool) -> dict[str, Any]:
    parameters = relocated(tool.parameters, f"/anyOf/{index}/properties/arguments")
    if not _COMBINING & parameters.keys():
        # Many tools leave additionalProperties out and mean none; a small model would make some up.
        parameters = {"additionalProperties": False, **parameters}
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": parameters},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
