"""Structured data: the schema of a task, the request that binds the answer to it, and the reading of the answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import probatio
from homeassistant.components import ai_task, conversation
from homeassistant.helpers import llm
from homeassistant.helpers.json import json_dumps
from homeassistant.util import slugify
from homeassistant.util.json import json_loads

# A server's grammar sees to the shape. What the fields mean, the model only knows if it is told.
_STRUCTURE_PROMPT = "Answer with nothing but JSON that fits this JSON schema:\n{schema}"

_MAX_NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """What a task adds to a request.

    Attributes:
        name: what the task is called.
        schema: what the answer has to fit, or None where it is plain text.
        pictures: the parts of the message that are pictures.
    """

    name: str
    schema: dict[str, Any] | None = None
    pictures: Sequence[dict[str, Any]] = field(default=())

    def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request with the schema and the pictures in their places."""
        messages: list[dict[str, Any]] = list(request["messages"])
        completed = {**request, "messages": messages}
        if self.schema is not None:
            prompt = _STRUCTURE_PROMPT.format(schema=json_dumps(self.schema))
            if messages and messages[0]["role"] == "system":
                messages[0] = {**messages[0], "content": f"{messages[0]['content']}\n\n{prompt}"}
            else:
                messages.insert(0, {"role": "system", "content": prompt})
            completed["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": slugify(self.name)[:_MAX_NAME_LENGTH] or "task",
                    "schema": self.schema,
                    "strict": _is_strict(self.schema),
                },
            }
        if self.pictures:
            index = next(index for index, message in enumerate(messages) if message["role"] == "user")
            text = {"type": "text", "text": messages[index]["content"]}
            messages[index] = {**messages[index], "content": [text, *self.pictures]}
        return completed


def structure_schema(task: ai_task.GenDataTask, chat_log: conversation.ChatLog) -> dict[str, Any]:
    """Return the JSON schema of a task that has a structure."""
    # Some APIs have none, and none would not know the selectors that structures are made of.
    serializer = (chat_log.llm_api.custom_serializer if chat_log.llm_api else None) or llm.selector_serializer
    schema = probatio.to_openapi(task.structure, custom_serializer=serializer, openapi_version="3.1.0")
    closed: dict[str, Any] = _closed(schema)
    return closed


def read_answer(text: str, structure: probatio.Schema) -> Any:
    """Return the data of an answer as the model wrote them.

    Raises:
        ValueError: the answer is not JSON.
        probatio.Invalid: the data do not fit the structure.
    """
    data = json_loads(_unfenced(text))
    structure(data)
    return data


def _unfenced(text: str) -> str:
    """Return the JSON of an answer that a server without grammars has wrapped in a Markdown fence."""
    text = text.strip()
    if not text.startswith("```") or not text.endswith("```") or "\n" not in text:
        return text
    return text.partition("\n")[2].removesuffix("```")


def _closed(schema: Any) -> Any:
    """Return a schema whose objects admit no other properties than those they name, which strict servers demand."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed["additionalProperties"] = False
    return closed


def _is_strict(schema: Any) -> bool:
    """Return whether a schema is one that OpenAI's strict mode takes: nothing optional, nothing open."""
    if isinstance(schema, list):
        return all(_is_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and (
        schema.get("additionalProperties") is not False
        or set(schema.get("required", ())) != set(schema.get("properties", {}))
    ):
        return False
    return all(_is_strict(value) for value in schema.values())
