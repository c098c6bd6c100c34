"""Grammars of answers with calls, in llguidance's Lark (https://github.com/guidance-ai/llguidance)."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from home_llm.chat.vocabulary import Tool
from home_llm.engine import JSON_STYLE, relocated

# Most calls of one answer that a grammar admits: a small model that has lost its thread repeats itself for ever.
MAX_CALLS = 16

# Keywords under which properties may be named that are not beside them.
_COMBINING = {"$ref", "allOf", "anyOf", "oneOf"}
_BARE_SPECIAL = re.compile(r"<[A-Za-z0-9_|/.-]+>")
_WHOLE = "/$defs/parameters"


@dataclass(frozen=True, slots=True)
class Binding:
    """What an answer is bound to.

    Attributes:
        tools: what may be called.
        required: whether the answer must be a call.
        parallel: whether it may be several.
        special: returns the number of the model's special token for a marker, or None where a marker is ordinary text.
        answer: what an answer without calls must match, as a part of a Lark rule; None is any text. There is then no
            text beside calls.
    """

    tools: tuple[Tool, ...]
    required: bool
    parallel: bool
    special: Callable[[str], int | None]
    answer: str | None = None

    @property
    def most(self) -> int:
        """The most calls of the answer."""
        return MAX_CALLS if self.parallel else 1

    def marker(self, marker: str) -> str:
        """Return a marker as a part of a rule: a special token is not the same as its text."""
        token = self.special(marker)
        if token is None:
            return quoted(marker)
        return marker if _BARE_SPECIAL.fullmatch(marker) else f"<[{token}]>"

    def through(self, name: str, marker: str) -> str:
        """Return a rule of any text through the first marker."""
        token = self.special(marker)
        if token is None:
            return f"{name}[suffix={quoted(marker)}]: /(?s:.*)/"
        # A special token is never a part of a text: it ends one.
        return f"{name}: /(?s:.+)/? {self.marker(marker)}"


def quoted(text: str) -> str:
    """Return a text as a literal of a rule."""
    return json.dumps(text, ensure_ascii=False)


def escaped(text: str) -> str:
    """Return a text as a part of a regular expression of a rule."""
    return re.escape(text).replace("/", r"\/").replace("\n", "n")


def calls_grammar(
    binding: Binding,
    *,
    opening: str,
    rules: Iterable[str],
    separator: str | None = "\n",
    stops: Iterable[str] = (),
) -> str:
    """Return a grammar: calls alone when one is required, else any text until a call begins.

    The text is free, and what follows an opening is not: a call that is begun is a right one.

    Args:
        binding: see there.
        opening: the marker before each call.
        rules: rules, one of which is `rest`: what follows the opening.
        separator: what stands between two calls; None where one opening is for all of them.
        stops: special tokens that the model may write behind the last call; they end the answer.
    """
    more = ""
    if separator is not None and binding.parallel:
        more = f" ({quoted(separator)} call){{0,{MAX_CALLS - 1}}}" if separator else f" call{{0,{MAX_CALLS - 1}}}"
    if after := [binding.marker(stop) for stop in stops if binding.special(stop) is not None]:
        more += f" {one_of(after)}?"
    lines = ["%llguidance {}", f"call: {binding.marker(opening)} rest", *rules]
    if binding.required:
        lines.append(f"start: call{more}")
    elif binding.answer is not None:
        lines += [f"start: call{more} | answer", f"answer: {binding.answer}"]
    elif binding.special(opening) is not None:
        lines += [f"start: TEXT? (call{more})?", "TEXT: /(?s:.+)/"]
    else:
        lines += [
            f"start: TEXT | before rest{more}",
            binding.through("before", opening),
            f"TEXT: /(?s:.+)/ & ~/(?s:.*{escaped(opening)}.*)/",
        ]
    return "\n".join([*lines, ""])


def one_of(names: Iterable[str]) -> str:
    """Return a choice of rules or literals."""
    return "(" + " | ".join(names) + ")"


def json_rule(schema: dict[str, Any]) -> str:
    """Return JSON that fits a schema, as a part of a rule."""
    return "%json " + json.dumps({**schema, "x-guidance": JSON_STYLE})


def property_rule(schema: dict[str, Any], tool: Tool) -> str:
    """Return JSON that fits the schema of one parameter, as a part of a rule."""
    if '"$ref"' in json.dumps(schema):
        # A property may refer to the schema that it was taken from.
        parameters = relocated(tool.parameters, _WHOLE)
        return json_rule({"$defs": {"parameters": parameters}, **relocated(schema, _WHOLE)})
    return json_rule(schema)


def arguments_schema(tool: Tool, where: str) -> dict[str, Any]:
    """Return the schema of a tool's arguments at a place of a document."""
    parameters: dict[str, Any] = relocated(tool.parameters, where)
    if not _COMBINING & parameters.keys():
        # Many tools leave additionalProperties out and mean none; a small model would make some up.
        parameters = {"additionalProperties": False, **parameters}
    return parameters


def call_schema(tools: Sequence[Tool], where: str = "", arguments: str = "arguments") -> dict[str, Any]:
    """Return the schema of a call of one of the tools.

    Args:
        tools: at least one.
        where: JSON pointer to the place of this schema in its document.
        arguments: the name of the member that holds the arguments.
    """

    def of(index: int, tool: Tool) -> dict[str, Any]:
        place = f"{where}/anyOf/{index}/properties/{arguments}"
        return {
            "type": "object",
            "properties": {"name": {"const": tool.name}, arguments: arguments_schema(tool, place)},
            "required": ["name", arguments],
            "additionalProperties": False,
        }

    return {"anyOf": [of(index, tool) for index, tool in enumerate(tools)]}


def calls_schema(binding: Binding) -> dict[str, Any]:
    """Return the schema of a list of calls."""
    return {
        "type": "array",
        "items": call_schema(binding.tools, "/items"),
        "minItems": 1,
        "maxItems": binding.most,
    }


def parameters_of(tool: Tool) -> list[tuple[str, dict[str, Any], bool]]:
    """Return name, schema and whether it is required of each parameter."""
    required = tool.parameters.get("required", ())
    properties: dict[str, dict[str, Any]] = tool.parameters.get("properties", {})
    return [(name, schema, name in required) for name, schema in properties.items()]


def listed(rule: str, items: Sequence[tuple[str, bool]], separator: str) -> tuple[str, list[str]]:
    """Return a part of a rule for items in their order with separators between them, and the rules that it needs.

    Args:
        rule: what the names of the rules begin with.
        items: each as a part of a rule, and whether it must be there.
        separator: what stands between two of them.
    """
    rules = [f"{rule}_{index}: {item}" for index, (item, _) in enumerate(items)]
    firsts: list[str] = []
    optional = True
    for index, (_, required) in enumerate(items):
        last = index + 1 == len(items)
        if optional:
            firsts.append(f"{rule}_{index}" if last else f"{rule}_{index} {rule}_after_{index}")
            optional = not required
        if not last:
            following = f"({quoted(separator)} {rule}_{index + 1})" + ("" if items[index + 1][1] else "?")
            further = "" if index + 2 == len(items) else f" {rule}_after_{index + 1}"
            rules.append(f"{rule}_after_{index}: {following}{further}")
    if not firsts:
        return "", rules
    return one_of(firsts) + ("?" if optional else ""), rules


def texts_of(schema: dict[str, Any]) -> list[str] | None:
    """Return the only texts that a parameter can take, or None where it takes others or what is no text."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return values if values and all(isinstance(value, str) for value in values) else None


def is_text(schema: dict[str, Any]) -> bool:
    """Return whether a parameter takes texts only."""
    return schema.get("type") == "string" or texts_of(schema) is not None
