"""What home-llm's integration sends, in its versions 0.1 to 0.4, and what it reads from the answers.

The requests are written after what those versions send: fields, defaults, headers and order. The reading is as theirs:
they find the answer where they look for it, and nothing that they stumble over.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from http_client import Answer
from server_process import ServerProcess

KEY = {"Authorization": "Bearer api"}
ADMIN = {"Authorization": "Bearer admin"}

CLIENT = "home-llm's requests, replayed"
UP_TO_03 = pytest.mark.client(CLIENT, "0.1 to 0.3")
AT_04 = pytest.mark.client(CLIENT, "0.4")
FROM_045 = pytest.mark.client(CLIENT, "0.4.5 and 0.4.6")

NAME = "SmolLM2-135M-Instruct"
SYSTEM = "You are 'Al', a helpful AI Assistant that controls the devices in a house.\nDevices:\nlight.hall 'Hall' = on"
PLAIN = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "say hello"}]
PROMPT = "<|system|>\nYou are 'Al'.</s>\n<|user|>\nsay hello</s>\n<|assistant|>\n"
SERVICE = {
    "type": "function",
    "function": {
        "name": "HassTurnOn",
        "description": "Turns on a device",
        "parameters": {"type": "object", "properties": {"name": {"type": "string"}}, "required": []},
    },
}


@pytest.fixture(scope="module", name="house")
def house_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serve with both keys, as the app does."""
    flags = ("--api-key", "api", "--admin-key", "admin", "--context-size", "2048", "--log-level", "warning")
    with ServerProcess(tmp_path_factory.mktemp("house"), *flags) as server:
        yield server


def whole(answer: Answer) -> Any:
    """Read an answer as `raise_for_status` and `json` do."""
    assert answer.status < 400, answer.body
    return answer.json


class Version01To03:
    """The agents of versions 0.1 to 0.3: requests one after the other, nothing streamed."""

    def __init__(self, served: ServerProcess) -> None:
        self.served = served

    def webui_setup(self, model: str) -> None:
        """Look for the model in the list (0.1 and 0.2), and load it unless it is the one that runs."""
        names = whole(self.served.get("/v1/internal/model/list", **ADMIN))["model_names"]
        assert model.replace("/", "_") in names
        if whole(self.served.get("/v1/internal/model/info", **ADMIN))["model_name"] != model:
            whole(self.served.post("/v1/internal/model/load", {"model_name": model}, **ADMIN))

    def webui_text(self, path: str, body: dict[str, Any]) -> str:
        """Return the answer: an object spelled as text-generation-webui once did, or else `text`."""
        value = whole(
            self.served.post(path, {"model": NAME, "max_tokens": 16, "temperature": 0.1, "top_p": 1, **body}, **KEY)
        )
        choices = value["choices"]
        assert choices[0]["finish_reason"] in {"stop", "length"}
        assert value["usage"]["prompt_tokens"] + 16 < 2048
        if value["object"] == "chat.completions":
            return str(choices[0]["message"]["content"])
        return str(choices[0]["text"])

    def openai_text(self, path: str, body: dict[str, Any]) -> str:
        """Return the answer of the other servers' agents."""
        value = whole(
            self.served.post(path, {"model": NAME, "max_tokens": 16, "temperature": 0.1, "top_p": 1, **body}, **KEY)
        )
        if value["object"] in {"chat.completion", "chat.completion.chunk"}:
            return str(value["choices"][0]["message"]["content"])
        return str(value["choices"][0]["text"])

    def ollama_setup(self, model: str) -> None:
        """Look for the model among the names, with or without a tag."""
        names = [entry["name"] for entry in whole(self.served.get("/api/tags", **KEY))["models"]]
        assert model in names if ":" in model else any(name.split(":")[0] == model for name in names)

    def ollama_text(self, path: str, body: dict[str, Any]) -> str:
        """Return the answer of Ollama's agent."""
        options = {"num_ctx": 2048, "top_p": 1, "top_k": 40, "typical_p": 1.0, "temperature": 0.1, "num_predict": 16}
        value = whole(
            self.served.post(
                path, {"model": NAME, "stream": False, "keep_alive": "30m", "options": options, **body}, **KEY
            )
        )
        assert value["done"] in ["true", True]
        return str(value["response"] if "response" in value else value["message"]["content"])


class Version04:
    """The clients of version 0.4: streams, read line by line."""

    def __init__(self, served: ServerProcess) -> None:
        self.served = served

    def openai_stream(
        self, body: dict[str, Any], path: str = "v1", *, nested: bool = False
    ) -> tuple[str, list[dict[str, Any]], str | None]:
        """Return text, calls and the last finish reason, read as it does: every line that is not empty is JSON."""
        answer = self.served.post(
            f"/{path}/chat/completions", {"model": NAME, "stream": True, "max_tokens": 512, **body}, **KEY
        )
        assert answer.status == 200, answer.body
        text, calls, reason = "", [], None
        for raw in answer.body.split(b"\n"):
            line = raw.decode("utf-8").strip()
            assert not line.startswith("error: ")
            if "[DONE]" in line:
                break
            if not line:
                continue
            chunk = json.loads(line.removeprefix("data: "))
            assert chunk["object"]
            if not chunk["choices"]:
                continue
            choice = chunk["choices"][0]
            text += choice["delta"].get("content") or ""
            for call in choice["delta"].get("tool_calls") or []:
                # Versions 0.4.0 to 0.4.4 take each delta for a whole call; the later ones look for it one level deeper.
                assert call["id"]
                function = call["function"]["function"] if nested else call["function"]
                calls.append({"name": function["name"], "args": json.loads(function["arguments"])})
            reason = choice["finish_reason"]
        return text, calls, reason

    def ollama_stream(self, body: dict[str, Any]) -> tuple[str, list[Any]]:
        """Return text and calls, read as Ollama's Python client does: every line is a chat response."""
        answer = self.served.post("/api/chat", {"model": NAME, "stream": True, **body}, **KEY)
        assert answer.status == 200, answer.body
        text, calls, done = "", [], False
        for line in answer.body.splitlines():
            chunk = json.loads(line)
            assert "error" not in chunk
            text += chunk["message"]["content"]
            for call in chunk["message"].get("tool_calls") or []:
                assert isinstance(call["function"]["arguments"], dict)
                calls.append(call["function"])
            done = chunk["done"]
        assert done is True
        return text, calls


@UP_TO_03
@pytest.mark.parametrize("model", [NAME, "smollm2-135m"])
def test_webui_setup(house: ServerProcess, model: str) -> None:
    """0.1 to 0.3 find the model in text-generation-webui's list, and one that runs is left running."""
    if model != NAME:
        # Another name of the same model: those versions load what they do not see running.
        whole(house.post("/v1/internal/model/load", {"model_name": model}, **ADMIN))
        return
    Version01To03(house).webui_setup(model)


@UP_TO_03
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": PLAIN, "mode": "instruct", "instruction_template": "zephyr"}),
        ("/v1/chat/completions", {"messages": PLAIN, "mode": "instruct", "instruction_template": "no_prompt_template"}),
        ("/v1/chat/completions", {"messages": PLAIN, "mode": "chat-instruct"}),
        ("/v1/chat/completions", {"messages": PLAIN, "mode": "chat", "character": "my house"}),
        ("/v1/completions", {"prompt": PROMPT}),
        ("/v1/completions", {"prompt": PROMPT, "preset": "my preset"}),
    ],
)
def test_webui_texts(house: ServerProcess, path: str, body: dict[str, Any]) -> None:
    """0.1 to 0.3 with text-generation-webui: the text is found in chats and in completions, in every mode."""
    options = {"truncation_length": 2048, "top_k": 40, "min_p": 0.0, "typical_p": 1.0}
    assert Version01To03(house).webui_text(path, {**body, **options})


@UP_TO_03
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": PLAIN}),
        ("/v1/completions", {"prompt": PROMPT}),
        ("/v1/chat/completions", {"messages": PLAIN, "top_k": 40, "grammar": 'root ::= "yes" | "no"'}),
        ("/v1/completions", {"prompt": PROMPT, "top_k": 40, "grammar": 'root ::= "yes" | "no"'}),
    ],
)
def test_openai_texts(house: ServerProcess, path: str, body: dict[str, Any]) -> None:
    """0.1 to 0.3 with other servers of OpenAI's kind, LocalAI among them, and with llama-cpp-python's."""
    text = Version01To03(house).openai_text(path, body)
    assert text in {"yes", "no"} if "grammar" in body else text


@UP_TO_03
@pytest.mark.parametrize("model", [NAME, f"{NAME}:latest"])
def test_ollama_texts(house: ServerProcess, model: str) -> None:
    """0.2 and 0.3 with Ollama: the model is found with and without a tag, and answers chats and raw prompts."""
    client = Version01To03(house)
    client.ollama_setup(model)
    assert client.ollama_text("/api/chat", {"model": model, "messages": PLAIN})
    assert client.ollama_text("/api/generate", {"model": model, "prompt": PROMPT, "raw": True})
    bound = client.ollama_text("/api/chat", {"model": model, "messages": PLAIN, "format": "json"})
    assert bound.lstrip().startswith("{")


@AT_04
def test_setup(house: ServerProcess) -> None:
    """0.4 lists the models, and with the admin key alone asks what is loaded and loads what is not."""
    models = [entry["id"] for entry in whole(house.get("/v1/models", **KEY))["data"]]
    assert len(models) == 1
    assert whole(house.get("/v1/internal/model/info", **ADMIN))["model_name"] == models[0]
    whole(house.post("/v1/internal/model/load", {"model_name": NAME}, **ADMIN))
    assert whole(house.get("/v1/internal/model/info", **ADMIN))["model_name"] == NAME
    assert house.post("/v1/internal/model/load", {"model_name": "another"}, **ADMIN).status >= 400


CONVERSATION = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": [{"type": "text", "text": "turn on the hall"}]},
    {
        "role": "assistant",
        "content": "None",
        "tool_calls": [
            {"type": "function", "id": "01J", "function": {"name": "HassTurnOn", "arguments": '{"name": "Hall"}'}}
        ],
    },
    {"role": "tool", "content": '{"result": "Success"}', "tool_call_id": "01J"},
    {"role": "user", "content": [{"type": "text", "text": "thanks"}]},
]


@AT_04
@pytest.mark.parametrize("mode", ["chat", "chat-instruct", "instruct"])
def test_webui(house: ServerProcess, mode: str) -> None:
    """0.4 with text-generation-webui: its mode is chat, and tools and a system prompt come with it."""
    extra = {"mode": mode, "truncation_length": 8192, "top_k": 40, "min_p": 0.0, "typical_p": 1.0}
    body = {"messages": CONVERSATION, "tools": [SERVICE], "temperature": 0.1, "top_p": 1, "max_tokens": 24, **extra}
    text, calls, reason = Version04(house).openai_stream(body)
    assert text or calls
    assert reason in {"stop", "length", "tool_calls"}


@AT_04
def test_object_results(house: ServerProcess) -> None:
    """0.4 may send a tool's result as an object with name and response."""
    result = {
        "role": "tool",
        "content": {"name": "HassTurnOn", "response": {"result": "Success"}},
        "tool_call_id": "01J",
    }
    messages = [*CONVERSATION[:3], result, CONVERSATION[4]]
    text, calls, _ = Version04(house).openai_stream({"messages": messages, "tools": [SERVICE], "max_tokens": 8})
    assert text or calls


@AT_04
def test_calls(house: ServerProcess) -> None:
    """0.4.0 to 0.4.4 read a call out of each delta: it is there as a whole."""
    body = {"messages": CONVERSATION[:2], "tools": [SERVICE], "tool_choice": "required", "max_tokens": 60}
    _, calls, reason = Version04(house).openai_stream({**body, "parallel_tool_calls": False, "temperature": 0})
    assert [call["name"] for call in calls] == ["HassTurnOn"]
    assert reason == "tool_calls"


@FROM_045
def test_calls_under_a_path_of_their_own(house: ServerProcess) -> None:
    """0.4.5 and 0.4.6 find no call where OpenAI has it, and find it with home-llm/v1 as their path."""
    models = whole(house.get("/home-llm/v1/models", **KEY))["data"]
    assert [entry["id"] for entry in models] == [NAME]
    assert whole(house.get("/home-llm/v1/internal/model/info", **ADMIN))["model_name"] == NAME
    body = {"messages": CONVERSATION[:2], "tools": [SERVICE], "tool_choice": "required", "max_tokens": 60}
    body |= {"parallel_tool_calls": False, "temperature": 0}
    _, calls, reason = Version04(house).openai_stream(body, "home-llm/v1", nested=True)
    assert [call["name"] for call in calls] == ["HassTurnOn"]
    assert reason == "tool_calls"
    # Everybody else finds it there as well, and nobody's strict schema meets it elsewhere.
    assert Version04(house).openai_stream(body, "home-llm/v1")[1] == calls
    (call,) = whole(house.post("/v1/chat/completions", body, **KEY))["choices"][0]["message"]["tool_calls"]
    assert set(call["function"]) == {"name", "arguments"}
    assert house.get("/home-llm/v1/models").status == 401


@AT_04
def test_llama_server(house: ServerProcess) -> None:
    """0.4 with llama-server sends its GBNF grammar together with tools, and gets an answer."""
    grammar = 'root ::= "{" [a-z]* "}"'
    text, calls, _ = Version04(house).openai_stream(
        {"messages": CONVERSATION, "tools": [SERVICE], "grammar": grammar, "top_k": 40, "max_tokens": 12}
    )
    assert text or calls


@AT_04
def test_tasks(house: ServerProcess) -> None:
    """0.4's AI tasks ask for a schema, of OpenAI's servers and of Ollama's."""
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "ha_task", "schema": schema, "strict": True}}
    text, _, _ = Version04(house).openai_stream({"messages": PLAIN, "response_format": wanted, "max_tokens": 30})
    assert text.startswith('{"count": ')
    text, _ = Version04(house).ollama_stream({"messages": PLAIN, "format": schema, "options": {"num_predict": 30}})
    assert text.startswith('{"count": ')


@AT_04
def test_ollama(house: ServerProcess) -> None:
    """0.4 with Ollama: arguments are objects, there are no ids, and think, format and keep_alive are always sent."""
    models = [entry["model"] for entry in whole(house.get("/api/tags", **KEY))["models"]]
    assert f"{NAME}:latest" in models
    calling = {"role": "assistant", "content": "None"}
    call = {"type": "function", "id": "01J", "function": {"name": "HassTurnOn", "arguments": {"name": "Hall"}}}
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "turn on the hall"},
        {**calling, "tool_calls": [call]},
        {"role": "tool", "content": '{"result": "Success"}', "tool_call_id": "01J"},
        {"role": "user", "content": "thanks"},
    ]
    options = {
        "num_ctx": 8192,
        "num_predict": 24,
        "top_p": 1,
        "top_k": 40,
        "typical_p": 1.0,
        "temperature": 0.1,
        "min_p": 0.0,
    }
    text, calls = Version04(house).ollama_stream(
        {
            "model": models[0],
            "messages": messages,
            "tools": [SERVICE],
            "think": False,
            "format": None,
            "options": options,
            "keep_alive": "30m",
        }
    )
    assert text or calls


@AT_04
def test_anthropic(house: ServerProcess) -> None:
    """0.4 with Anthropic's SDK: both headers hold the bare key, and calls are put together from the events."""
    headers = {"Authorization": "api", "x_api_key": "api", "anthropic_version": "2023-06-01"}
    models = whole(house.get("/v1/models", **headers))
    assert [entry["id"] for entry in models["data"]] == [NAME]
    tools = [{"name": "HassTurnOn", "description": "Turns on", "input_schema": SERVICE["function"]["parameters"]}]  # type: ignore[index]
    body = {
        "model": NAME,
        "max_tokens": 60,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "turn on the hall"}]}],
        "system": SYSTEM,
        "tools": tools,
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "temperature": 0.1,
        "top_p": 1,
        "top_k": 40,
        "stream": True,
    }
    answer = house.post("/v1/messages", body, **headers)
    assert answer.status == 200
    current, calls = None, []
    for block in answer.body.decode().split("\n\n")[:-1]:
        event = json.loads(block.split("\n")[1].removeprefix("data: "))
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
            current = {"name": event["content_block"]["name"], "input": ""}
        elif event["type"] == "content_block_delta" and event["delta"]["type"] == "input_json_delta":
            assert current is not None
            current["input"] += event["delta"]["partial_json"]
        elif event["type"] == "content_block_stop" and current is not None:
            calls.append((current["name"], json.loads(current["input"])))
            current = None
    assert [name for name, _ in calls] == ["HassTurnOn"]


@AT_04
def test_responses(house: ServerProcess) -> None:
    """0.4 with OpenAI's responses: the message comes first, and its text is the first part."""
    # It sends no limit; this one keeps the test short.
    body = {"model": NAME, "input": "say hello", "max_output_tokens": 8}
    value = whole(house.post("/v1/responses", body, **KEY))
    assert value["object"] == "response"
    assert value["id"]
    assert value["status"] in {"completed", "incomplete"}
    assert value["output"][0]["type"] == "message"
    assert value["output"][0]["content"][0]["type"] in {"output_text", "refusal"}
