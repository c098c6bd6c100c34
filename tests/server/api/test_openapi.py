"""The OpenAPI document: all routes are in it, it is sound, and its examples are answered."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import flask
import jsonschema
import pytest

from home_llm.api import create_app
from home_llm.api.openapi import document
from home_llm.runtime import Runtime
from home_llm.settings import Settings
from served import Served

DIALECTS = {"OpenAI", "text-generation-webui", "Ollama", "Anthropic", "llama-server"}
CHANGING = {"/models/load", "/models/unload"}
# The embedded model was not trained to fill in, nor to rank.
FOR_OTHER_MODELS = {"/infill", "/rerank", "/reranking", "/v1/rerank", "/v1/reranking"}


@pytest.fixture(name="app")
def app_fixture(tmp_path: Path) -> flask.Flask:
    """Make the application, without serving it."""
    runtime = Runtime(Settings(data_dir=tmp_path))
    return create_app(runtime, api_key="", admin_key="", places=1)


@pytest.fixture(scope="module", name="api")
def api_fixture(served: Served) -> dict[str, Any]:
    """Read the document."""
    value: dict[str, Any] = served.get("/openapi.json").json
    return value


def operations(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the path, method and operation of every route."""
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_all_routes(app: flask.Flask, api: dict[str, Any]) -> None:
    """Every route of the application with each of its methods is in the document, and nothing else."""
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in operations(api)} == routes
    assert ("/v1/chat/completions", "post") in routes


def test_what_is_not_described_is_named(app: flask.Flask) -> None:
    """A route that says nothing of itself is in the document all the same, and is named as such."""

    @app.post("/nothing/<int:number>")
    def nothing(number: int) -> str:
        """Do nothing. With a number."""
        return str(number)

    api = document(app)
    assert "POST /nothing/{number}" in api["x-undocumented"]
    operation = api["paths"]["/nothing/{number}"]["post"]
    assert operation["summary"] == "Do nothing. With a number"
    assert operation["parameters"][0]["name"] == "number"
    assert not [path for path in api["x-undocumented"] if "/chat/completions" in path]


def test_it_is_sound(api: dict[str, Any]) -> None:
    """References lead somewhere, schemas are schemas, ids are unique, and path parameters are all described."""
    assert api["openapi"].startswith("3.1")
    schemas = api["components"]["schemas"]
    text = str(api)
    for reference in re.findall(r"#/components/schemas/([\w.-]+)", text):
        assert reference in schemas
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    identities = [operation["operationId"] for _, _, operation in operations(api)]
    assert "get_v1_models_name" in identities
    assert {tag["name"] for tag in api["tags"]} == {operation["tags"][0] for _, _, operation in operations(api)}
    assert len(set(identities)) == len(identities)
    for path, _, operation in operations(api):
        named = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
        assert sorted(named) == sorted(re.findall(r"{(\w+)}", path))
        assert operation["summary"]
        assert {"200", "default"} <= set(operation["responses"])


def test_keys(api: dict[str, Any]) -> None:
    """The document tells which routes need no key, the API's, or the admin's."""
    paths = api["paths"]
    assert paths["/health"]["get"]["security"] == []
    assert paths["/docs"]["get"]["security"] == []
    assert {"api_key": []} in paths["/v1/chat/completions"]["post"]["security"]
    assert paths["/lora-adapters"]["post"]["security"] == [{"admin_key": []}]
    assert {"api_key": []} in paths["/lora-adapters"]["get"]["security"]


def test_examples(served: Served, api: dict[str, Any]) -> None:
    """Each example fits its schema, and is answered."""
    tried = 0
    for path, method, operation in operations(api):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if "example" not in content or not DIALECTS & set(operation["tags"]):
            continue
        schema = {"$ref": "#/schema", "schema": content["schema"], "components": api["components"]}
        jsonschema.Draft202012Validator(schema).validate(content["example"])
        if path in FOR_OTHER_MODELS | CHANGING:
            continue
        answer = served.request(method.upper(), path, str.encode(_json(content["example"])))
        assert answer.status == 200, (path, answer.body)
        assert answer.headers["Content-Type"].partition(";")[0] in operation["responses"]["200"]["content"]
        tried += 1
    assert tried >= 10


def _json(value: Any) -> str:
    return flask.json.dumps(value)


def test_wrong_bodies_are_errors_of_its_shape(served: Served, api: dict[str, Any]) -> None:
    """What is no body of a route is an error as the document describes it."""
    for path, method, operation in operations(api):
        # Routes that take no body do not look at it.
        if not operation.get("requestBody", {}).get("required") or not DIALECTS & set(operation["tags"]):
            continue
        answer = served.request(method.upper(), path.replace("{slot}", "0"), b"[1]")
        assert answer.status == 400, path
        schema = operation["responses"]["default"]["content"]["application/json"]["schema"]
        whole = {"$ref": "#/schema", "schema": schema, "components": api["components"]}
        jsonschema.Draft202012Validator(whole).validate(answer.json)


def test_looks_are_answered(served: Served, api: dict[str, Any]) -> None:
    """Every GET route without parameters answers with the type that the document tells."""
    for path, method, operation in operations(api):
        if method != "get" or "{" in path:
            continue
        answer = served.get(path)
        assert answer.status == 200, path
        if operation["tags"][0] in {*DIALECTS, "Home LLM"}:
            assert answer.headers["Content-Type"].partition(";")[0] in operation["responses"]["200"]["content"]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"src", "href", "action"} and value]


def test_docs(data_dir: Path) -> None:
    """The page needs no key, holds all that it needs, and is let nowhere else."""
    with Served(data_dir, api_key="secret") as served:
        answer = served.get("/docs")
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        parser = _Links()
        parser.feed(answer.body.decode())
        assert set(parser.found) == {"#routes", "openapi.json"}
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
        assert b"http:" not in answer.body
        assert b"https:" not in answer.body
        assert served.get("/openapi.json").status == 200
        assert served.get("/v1/models").status == 401
        for path in ("/healthz", "/readyz"):
            assert served.get(path).json["version"]
