"""JSON schemas made fit for the constraint compiler: what it cannot enforce is left out, references are moved."""

import functools
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import llguidance

_LOGGER = logging.getLogger(__name__)

# Where a schema holds other schemas: by itself, in a list, by name.
_SINGLE = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_LISTS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_COUNTS = frozenset({"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"})
# More than any answer holds, and less than what llguidance's counters overflow at.
_MOST = 2**31 - 1


def enforceable(schema: Any) -> Any:
    """Return a schema without what the compiler would refuse though it is right: it then admits more than asked.

    These are regular expressions with features that it lacks, such as looking ahead, and references to other
    documents. Other keywords that it does not know it passes over by itself, with a warning. What is wrong, as a
    regular expression that is none, is left for the compiler to refuse.
    """
    return _rewrite(schema, _loosened)


def relocated(schema: Any, where: str) -> Any:
    """Return a schema whose references to itself are right at another place of a document.

    Args:
        schema: the schema; one with an `$id` is a document of its own and stays as it is.
        where: JSON pointer to the place, such as `/properties/arguments`.
    """

    def move(part: dict[str, Any]) -> dict[str, Any]:
        reference = part.get("$ref")
        if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
            return {**part, "$ref": f"#{where}{reference[1:]}"}
        return part

    return schema if isinstance(schema, dict) and "$id" in schema else _rewrite(schema, move)


def _rewrite(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a schema in which every part has been changed, the innermost first."""
    if not isinstance(schema, dict):
        return schema
    result = dict(schema)
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            result[key] = {name: _rewrite(part, change) for name, part in value.items()}
        elif key in _LISTS and isinstance(value, list):
            result[key] = [_rewrite(part, change) for part in value]
        elif key in _SINGLE:
            result[key] = _rewrite(value, change)
    return change(result)


def _loosened(part: dict[str, Any]) -> dict[str, Any]:
    result = dict(part)
    if isinstance(pattern := part.get("pattern"), str) and _lacks("pattern", pattern):
        del result["pattern"]
    named = part.get("patternProperties")
    if isinstance(named, dict) and any(_lacks("patternProperties", name) for name in named):
        # What matched would be refused as an additional property.
        result.pop("additionalProperties", None)
        result["patternProperties"] = {
            name: value for name, value in named.items() if not _lacks("patternProperties", name)
        }
    for keyword in _COUNTS & part.keys():
        if isinstance(part[keyword], int) and part[keyword] > _MOST:
            _LOGGER.warning("A schema is looser than asked: %s %s cannot be counted to", keyword, part[keyword])
            del result[keyword]
    if isinstance(reference := part.get("$ref"), str) and _is_foreign(reference):
        del result["$ref"]
    return result


@functools.lru_cache(maxsize=256)
def _lacks(keyword: str, pattern: str) -> bool:
    """Return whether a pattern is a regular expression, and one that the compiler cannot take; warn once."""
    schema: dict[str, Any] = {"pattern": {"type": "string", "pattern": pattern}}.get(
        keyword, {"type": "object", "patternProperties": {pattern: {}}}
    )
    grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
    if not llguidance.LLMatcher.validate_grammar(grammar):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    _LOGGER.warning("A schema is looser than asked: the %s %r cannot be enforced", keyword, pattern)
    return True


@functools.lru_cache(maxsize=256)
def _is_foreign(reference: str) -> bool:
    """Return whether a reference is to a document that the request does not hold; warn once."""
    if not re.match(r"[a-z][a-z0-9+.-]*:", reference, re.IGNORECASE):
        return False
    _LOGGER.warning("A schema is looser than asked: %s is not fetched", reference)
    return True
