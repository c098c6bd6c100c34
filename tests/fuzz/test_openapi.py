"""Every route, with bodies that fit the OpenAPI document and bodies that do not, made up by schemathesis.

The document is the server's own. Each answer must be one that it describes: no fault of the server, the right type, the
right schema, also in each part of a stream; and an error must have its dialect's own shape.

HOME_LLM_FUZZ_EXAMPLES is how many bodies are made up for a route beside those that go through the fields of its schema,
and has all of those tried in every route; HOME_LLM_FUZZ_SEED draws others. Both are for a longer run.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import schemathesis
from schemathesis import Case, CheckContext, Response
from schemathesis.config import SchemathesisConfig

from error_shapes import assert_error
from home_llm.api import create_app
from home_llm.api.openapi import document
from home_llm.runtime import Runtime
from home_llm.settings import Settings
from server_process import ServerProcess

# The short profile, without that variable, is for every run of all tests.
IS_SHORT = "HOME_LLM_FUZZ_EXAMPLES" not in os.environ
EXAMPLES = int(os.environ.get("HOME_LLM_FUZZ_EXAMPLES", "10"))
SEED = int(os.environ.get("HOME_LLM_FUZZ_SEED", "1"))
# What changes the model for all that comes after.
LEFT_OUT = "^/v1/internal/model/(load|unload)$|^/api/v1/model$|^/models/(load|unload)$"
# Their bodies have all the fields of the samplers, or others as many: to make up what goes through each takes half a
# minute a route.
WITH_MANY_FIELDS = [
    *("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"),
    *("/completion", "/api/chat", "/api/generate", "/api/v1/generate", "/api/v1/chat"),
    *("/v1/internal/warm", "/v1/internal/chat-prompt", "/apply-template", "/completions", "/infill", "/embedding"),
    *("/embeddings", "/chat/completions", "/chat/completions/input_tokens", "/v1/chat/completions/input_tokens"),
    *("/responses", "/responses/input_tokens", "/v1/responses/input_tokens"),
]
FEW_TOKENS = 3
LIMITS = ("max_tokens", "max_completion_tokens", "n_predict", "max_output_tokens")

CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": SEED,
        "generation": {"max-examples": EXAMPLES, "database": "none"},
        "phases": {"coverage": {"unexpected-methods": ["PUT"]}},
        "operations": [
            {"include-path": path, "phases": {"coverage": {"enabled": not IS_SHORT}}} for path in WITH_MANY_FIELDS
        ],
        "checks": {
            "enabled": False,
            "not_a_server_error": {"enabled": True},
            "status_code_conformance": {"enabled": True},
            "content_type_conformance": {"enabled": True},
            "response_schema_conformance": {"enabled": True},
            "unsupported_method": {"enabled": True},
        },
    }
)
DOCUMENT = document(create_app(Runtime(Settings(data_dir=Path("nowhere"))), api_key="", admin_key="", places=1))
API = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG).exclude(path_regex=LEFT_OUT)


@pytest.mark.timeout(900)
@API.parametrize()
def test_route(case: Case[Any], server: ServerProcess, model: str) -> None:
    """Whatever is sent, the answer is one that the document describes."""
    _shorten(case, model)
    case.call_and_validate(base_url=server.url, additional_checks=[_errors, _parts_of_streams], timeout=30)


def test_the_document_is_the_servers_own(server: ServerProcess) -> None:
    """What is tried here is what the process serves."""
    assert server.get("/openapi.json").json == json.loads(json.dumps(DOCUMENT))


def test_the_server_has_borne_it(server: ServerProcess) -> None:
    """After all of that it still answers, with the model that it had, and nothing runs."""
    assert server.get("/health").json["status"] in {"ok", "unloaded"}
    answer = server.post("/v1/completions", {"prompt": "Once", "max_tokens": FEW_TOKENS})
    assert answer.status == 200
    assert answer.json["usage"]["completion_tokens"] == FEW_TOKENS
    assert not any(slot["is_processing"] for slot in server.get("/slots").json)


def _shorten(case: Case[Any], model: str) -> None:
    """Ask for a few tokens where the body would have more, and by its name for the model that there is."""
    body: Any = case.body
    if not isinstance(body, dict):
        return
    fields: dict[str, Any] = {}
    known = [name for name in LIMITS if name in _properties(case)]
    if known and not any(name in body for name in known):
        fields[known[0]] = FEW_TOKENS
    for name in known:
        if type(body.get(name)) is int and body[name] > FEW_TOKENS:
            fields[name] = FEW_TOKENS
    if case.path.startswith("/api/") and isinstance(body.get("model"), str) and len(body["model"]) % 5:
        fields["model"] = model
    if fields:
        case.body = {**body, **fields}


def _operation(case: Case[Any]) -> dict[str, Any]:
    """Return what the document says of the route, also where it is asked with another method."""
    operation: dict[str, Any] = DOCUMENT["paths"][case.path][case.operation.method.lower()]
    return operation


def _properties(case: Case[Any]) -> dict[str, Any]:
    content = _operation(case).get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    schema = DOCUMENT["components"]["schemas"].get(reference.rpartition("/")[2], {})
    properties: dict[str, Any] = schema.get("properties", {})
    return properties


def _errors(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    """See that an error has its dialect's own shape."""
    if response.status_code >= 400:
        assert_error(urlsplit(response.request.url or "").path, response.status_code, response.content)


def _parts_of_streams(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """See that each event or line of a stream is one that the document describes, and that nothing broke in it."""
    media = response.headers.get("content-type", [""])[0].partition(";")[0]
    if media not in {"text/event-stream", "application/x-ndjson"}:
        return
    content = _operation(case)["responses"]["200"]["content"]
    validator = jsonschema.Draft202012Validator(content[media]["x-event-schema"])
    parts = list(_events(response.content) if media == "text/event-stream" else response.content.splitlines())
    assert parts or media == "text/event-stream"
    for part in parts:
        if part != b"[DONE]":
            validator.validate(json.loads(part))


def _events(stream: bytes) -> Iterator[bytes]:
    for event in stream.split(b"\n\n"):
        lines = event.split(b"\n")
        assert event == b"" or sum(line.startswith(b"data: ") for line in lines) == 1, event
        assert all(line.startswith((b"data: ", b"event: ")) for line in lines if line), event
        yield from (line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: "))
