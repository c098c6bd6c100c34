"""Answers that must match something, over HTTP: what may be asked, what is odd, what is impossible."""

import json
import re
from typing import Any

import pytest

from served import Served

ROUTE = "/v1/chat/completions"
BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 24, "temperature": 0}
PLANT = {"type": "function", "function": {"name": "plant"}}
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def json_schema(schema: Any) -> dict[str, Any]:
    """Return a response format."""
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


def nested(levels: int) -> dict[str, Any]:
    """Return a schema of objects in objects."""
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def test_choice_and_regex(served: Served) -> None:
    """The extension binds an answer to one of several texts, or to a regular expression."""
    for extension, expected in (({"choice": ["oui", "non"]}, "oui|non"), ({"regex": "^[0-9]{3}$"}, "[0-9]{3}")):
        choice = served.post(ROUTE, {**BODY, "home_llm": extension}).json["choices"][0]
        assert re.fullmatch(expected, choice["message"]["content"])
        assert choice["finish_reason"] == "stop"


def test_a_schema_beside_tools(served: Served) -> None:
    """With tools that may be called, an answer that calls none is JSON that fits the schema."""
    request = {**BODY, **json_schema(NUMBER), "tools": [PLANT], "max_tokens": 300}
    message = served.post(ROUTE, request).json["choices"][0]["message"]
    if "tool_calls" in message:
        assert {call["function"]["name"] for call in message["tool_calls"]} == {"plant"}
    else:
        assert set(json.loads(message["content"])) == {"n"}


ODD = [
    {"not": {"type": "string"}},
    {"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}},
    {"$dynamicRef": "#node"},
    {"type": "string", "maxLength": 10**12},
    {"type": "array", "minItems": 10**6},
    {"type": "string", "pattern": "(?<=a)b"},
    {"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}}},
    {"allOf": [{"type": "object"}, {"properties": {"a": {"type": "null"}}}]},
    {"type": "object", "properties": {f"p{number}": {"pattern": "^a{0,500}$"} for number in range(100)}},
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "x", "x-guidance": {"lenient": False}},
    True,
    {},
    nested(40),
]


@pytest.mark.parametrize("schema", ODD)
def test_odd_schemas(served: Served, schema: Any) -> None:
    """A schema that is right is obeyed as far as that is possible, whatever it holds."""
    answer = served.post(ROUTE, {**BODY, **json_schema(schema)})
    assert answer.status == 200, answer.body
    choice = answer.json["choices"][0]
    if choice["finish_reason"] == "stop":
        json.loads(choice["message"]["content"])


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"properties": {"n": {"type": "integer"}}, "required": ["n"]}, dict),
        ({"items": {"type": "integer"}, "maxItems": 2}, list),
        ({"items": [{"type": "integer"}], "maxItems": 1}, list),
        ({"prefixItems": [{"type": "integer"}], "items": False}, list),
    ],
)
def test_schemas_that_forget_the_type(served: Served, schema: Any, kind: type) -> None:
    """A schema that tells of members or of items alone is that of an object, or of a list."""
    for fields in (json_schema(schema), {"json_schema": schema}):
        choice = served.post(ROUTE, {**BODY, **fields, "max_tokens": 100}).json["choices"][0]
        assert choice["message"]["content"][0] == ("{" if kind is dict else "[")
        if choice["finish_reason"] == "stop":
            assert isinstance(json.loads(choice["message"]["content"]), kind)


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    (json_schema(False), "no text"),
    (json_schema({"enum": []}), "Unsatisfiable"),
    (json_schema({"allOf": [{"type": "string"}, {"type": "integer"}]}), "Unsatisfiable"),
    (json_schema({"$ref": "#"}), "no text"),
    (json_schema({"$ref": "#/$defs/nowhere"}), "nowhere"),
    (json_schema({"type": "wish"}), "wish"),
    (json_schema({"type": "string", "pattern": "("}), "regex"),
    (json_schema(nested(300)), "nested"),
    ({"json_schema": nested(300)}, "nested"),
    ({"grammar": "root ::= nothing"}, "nothing"),
    ({"grammar": "root ::= root"}, "no text"),
    ({"grammar": "root ::= " + "(" * 2000}, "gbnf"),
    ({"home_llm": {"regex": r"[^\s\S]"}}, "no text"),
    ({"home_llm": {"regex": "("}}, "regex"),
    ({"home_llm": {"regex": ""}}, "home_llm.regex"),
    ({"home_llm": {"choice": []}}, "home_llm.choice"),
    ({"home_llm": {"choice": "yes"}}, "home_llm.choice"),
    ({"home_llm": {"choice": ["a"], "regex": "a"}}, "cannot be combined"),
    ({"grammar": 'root ::= "a"', **json_schema({})}, "cannot be combined"),
    ({"json_schema": {}, **json_schema({})}, "cannot be combined"),
    ({"grammar": 'root ::= "a"', "home_llm": {"choice": ["a"]}}, "cannot be combined"),
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": nested(300)}}]}, "nested"),
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": {"properties": 5}}}]}, "properties"),
    ({**json_schema({"enum": []}), "tools": [PLANT]}, "Unsatisfiable"),
]


def test_what_is_impossible_disturbs_nobody(served: Served) -> None:
    """Each impossible request is a 400 that says why, streamed or not, while another answer goes on."""
    connection = served.connect()
    running = {**BODY, "max_tokens": 400, "ban_eos_token": True, "stream": True}
    connection.request("POST", ROUTE, json.dumps(running).encode())
    response = connection.getresponse()
    response.readline()
    for fields, reason in IMPOSSIBLE:
        for stream in (False, True):
            answer = served.post(ROUTE, {**BODY, **fields, "stream": stream})
            assert answer.status == 400, (fields, answer.body)
            error = answer.json["error"]
            assert error["type"] == "invalid_request_error"
            assert reason in f"{error['param']} {error['message']}", (fields, error)
    body = response.read().decode()
    connection.close()
    assert body.endswith("data: [DONE]\n\n")
    assert '"finish_reason": "length"' in body
    assert '"error"' not in body


@pytest.mark.parametrize("stream", [False, True])
def test_grammars_that_lead_nowhere(served: Served, stream: bool) -> None:
    """An answer that its grammar gives no way to complete ends as cut short, not as a failure."""
    answer = served.post(ROUTE, {**BODY, "grammar": 'root ::= "so " b\nb ::= b', "stream": stream})
    assert answer.status == 200
    choice = (answer.chunks[-1] if stream else answer.json)["choices"][0]
    assert choice["finish_reason"] == "length"
    if not stream:
        assert choice["message"]["content"].startswith("so")
