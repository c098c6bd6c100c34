"""AI tasks: text, structured data and pictures."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import probatio
import pytest
from homeassistant.components import ai_task
from homeassistant.components.ai_task.const import DATA_COMPONENT, AITaskEntityFeature
from homeassistant.components.conversation import Attachment
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers import llm, selector
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm import pictures
from custom_components.home_llm.ai_task_flow import default_task
from custom_components.home_llm.sessions import async_session
from custom_components.home_llm.structure import TaskRequest
from tests.integration.chat_server import ChatServer, answer, call, error

TASK = "ai_task.home_llm_ai_task"
STRUCTURE = probatio.Schema(
    {
        probatio.Required("room", description="The room that was meant"): selector.TextSelector(),
        probatio.Optional("lamps"): selector.NumberSelector(selector.NumberSelectorConfig(min=0, max=9)),
    },
    extra=probatio.PREVENT_EXTRA,
)


@pytest.fixture(name="task")
async def task_fixture(hass: HomeAssistant, server: ChatServer) -> MockConfigEntry:
    """Set up a server with an AI task."""
    return await set_up(hass, server)


async def set_up(hass: HomeAssistant, server: ChatServer) -> MockConfigEntry:
    """Set up a server with an AI task, as the server is now."""
    entry = MockConfigEntry(
        domain="home_llm", title="Home LLM", data={"url": server.url}, subentries_data=[default_task()]
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


async def do(hass: HomeAssistant, **kwargs: Any) -> Any:
    """Run a task and return its data."""
    kwargs = {"task_name": "Which room?", "entity_id": TASK, "instructions": "Tell the room.", **kwargs}
    return (await ai_task.async_generate_data(hass, context=Context(), **kwargs)).data


async def test_text(hass: HomeAssistant, task: MockConfigEntry, server: ChatServer) -> None:
    """Without a structure the answer is the text, and nothing binds it."""
    server.script([answer("The kitchen", ".")])
    assert await do(hass) == "The kitchen."
    (request,) = server.requests
    assert request["model"] == "embedded"
    assert request["max_tokens"] == 1024
    assert request["messages"][-1] == {"role": "user", "content": "Tell the room."}
    assert "response_format" not in request


async def test_structure(hass: HomeAssistant, task: MockConfigEntry, server: ChatServer) -> None:
    """The answer is bound to the structure's schema, which the model is told too, and comes back as data."""
    server.script([answer('{"room": "kitchen", ', '"lamps": 2}')])
    assert await do(hass, structure=STRUCTURE) == {"room": "kitchen", "lamps": 2}
    (request,) = server.requests
    schema = request["response_format"]["json_schema"]
    assert request["response_format"]["type"] == "json_schema"
    assert schema["name"] == "which_room"
    # A property is optional, which OpenAI's strict mode does not know.
    assert schema["strict"] is False
    assert schema["schema"]["type"] == "object"
    assert schema["schema"]["required"] == ["room"]
    assert schema["schema"]["additionalProperties"] is False
    assert schema["schema"]["properties"]["room"] == {"type": "string", "description": "The room that was meant"}
    assert "The room that was meant" in request["messages"][0]["content"]


async def test_the_service(hass: HomeAssistant, task: MockConfigEntry, server: ChatServer) -> None:
    """Home Assistant's own action runs a task with a structure of selectors."""
    server.script([answer('{"lights": ["a", "b"]}')])
    result = await hass.services.async_call(
        "ai_task",
        "generate_data",
        {
            "entity_id": TASK,
            "task_name": "lights",
            "instructions": "Which lights?",
            "structure": {"lights": {"required": True, "selector": {"text": {"multiple": True}}}},
        },
        blocking=True,
        return_response=True,
    )
    assert result is not None
    assert result["data"] == {"lights": ["a", "b"]}
    schema = server.requests[0]["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["properties"]["lights"] == {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    "first", ["no JSON", '{"lamps": 2}', '{"room": "kitchen", "lamps": 99}', '{"room": "kit', "[]"]
)
async def test_an_answer_that_does_not_fit(
    hass: HomeAssistant, task: MockConfigEntry, server: ChatServer, first: str
) -> None:
    """A server without grammars gets the reason once, and the second answer counts."""
    server.script([answer(first), answer('```json\n{"room": "hall"}\n```')])
    assert await do(hass, structure=STRUCTURE) == {"room": "hall"}
    messages = server.requests[1]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] == first
    assert messages[3]["content"].startswith("That was not accepted: ")


async def test_a_model_that_cannot_do_it(hass: HomeAssistant, task: MockConfigEntry, server: ChatServer) -> None:
    """What does not fit twice is an error that says what to do."""
    server.script([answer("no"), answer("never")])
    with pytest.raises(HomeAssistantError) as raised:
        await do(hass, structure=STRUCTURE)
    assert raised.value.translation_key == "structure_failed"
    assert "maximum tokens" in str(raised.value)


async def test_a_server_that_fails(hass: HomeAssistant, task: MockConfigEntry, server: ChatServer) -> None:
    """Its error is raised in our words, and the server is looked at at once."""
    server.script([error(503, "Loading", **{"Retry-After": "5"})])
    with pytest.raises(HomeAssistantError) as raised:
        await do(hass)
    assert raised.value.translation_key == "unavailable"
    server.script([answer("")])
    with pytest.raises(HomeAssistantError) as raised:
        await do(hass)
    assert raised.value.translation_key == "empty_answer"


async def test_a_task_that_is_too_long(hass: HomeAssistant, task: MockConfigEntry, server: ChatServer) -> None:
    """One task that does not fit is its own error, and no repair of the server."""
    server.script([error(400, "The prompt has 9000 tokens and the context holds 8192.")])
    with pytest.raises(HomeAssistantError, match="9000 tokens"):
        await do(hass)
    assert not any(domain == "home_llm" for domain, _ in ir.async_get(hass).issues)


class CountTool(llm.Tool):
    """A tool that counts lamps."""

    name = "CountLamps"
    description = "Counts the lamps"

    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Count."""
        return llm.ToolResult(data={"lamps": 3})


class CountAPI(llm.API):
    """An API with one tool."""

    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> llm.APIInstance:
        """Return the tool."""
        return llm.APIInstance(api=self, api_prompt="Count.", llm_context=llm_context, tools=[CountTool()])


async def test_tools(hass: HomeAssistant, task: MockConfigEntry, server: ChatServer) -> None:
    """A task can use the API that it is given before it answers with data."""
    server.script([answer(call("CountLamps", {}), finish="tool_calls"), answer('{"room": "hall", "lamps": 3}')])
    api = CountAPI(hass=hass, id="count", name="Count")
    assert await do(hass, structure=STRUCTURE, llm_api=api) == {"room": "hall", "lamps": 3}
    assert [tool["function"]["name"] for tool in server.requests[0]["tools"]] == ["CountLamps"]
    assert server.requests[1]["messages"][-1]["role"] == "tool"
    assert server.requests[1]["response_format"] == server.requests[0]["response_format"]


def seeing(server: ChatServer, *modalities: str) -> None:
    """Make the server another one, whose model takes these."""
    server.owned_by = "user"
    server.models = [{"id": "big", "architecture": {"input_modalities": list(modalities)}}]


@pytest.fixture(name="picture")
def picture_fixture(tmp_path: Path) -> Attachment:
    """Make a file that is called a picture."""
    path = tmp_path / "door.png"
    path.write_bytes(b"\x89PNG")
    return Attachment(media_content_id="media-source://x/door.png", mime_type="image/png", path=path)


async def attach(hass: HomeAssistant, *attachments: Attachment) -> Any:
    """Run a task with attachments, which Home Assistant has resolved already."""
    entity = hass.data[DATA_COMPONENT].get_entity(TASK)
    assert entity is not None
    with async_session(hass) as session:
        task = ai_task.GenDataTask("door", "Who is at the door?", attachments=list(attachments))
        return (await entity.internal_async_generate_data(session, task)).data


async def test_a_picture(hass: HomeAssistant, server: ChatServer, picture: Attachment) -> None:
    """A model that sees gets the picture as a data URI beside the words."""
    seeing(server, "text", "image")
    await set_up(hass, server)
    server.script([answer("The postman.")])
    assert await attach(hass, picture) == "The postman."
    url = f"data:image/png;base64,{base64.b64encode(b'\x89PNG').decode()}"
    assert server.requests[0]["messages"][-1]["content"] == [
        {"type": "text", "text": "Who is at the door?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]


@pytest.mark.parametrize(("modalities", "supported"), [(["text"], False), (["text", "image"], True), (None, True)])
async def test_whether_a_model_sees(
    hass: HomeAssistant, server: ChatServer, modalities: list[str] | None, supported: bool
) -> None:
    """Attachments are offered for models that see or may see; Home Assistant refuses them for others."""
    seeing(server, *(modalities or ()))
    if modalities is None:
        server.models = [{"id": "big"}]
    await set_up(hass, server)
    state = hass.states.get(TASK)
    assert state is not None
    features = AITaskEntityFeature(state.attributes["supported_features"])
    assert (AITaskEntityFeature.SUPPORT_ATTACHMENTS in features) is supported
    assert AITaskEntityFeature.GENERATE_DATA in features


async def test_a_home_llm_server_sees_only_if_it_says_so(hass: HomeAssistant, task: MockConfigEntry) -> None:
    """Our server lists what its model takes, so that silence is a no."""
    with pytest.raises(HomeAssistantError, match="does not support attachments"):
        await do(hass, attachments=[{"media_content_id": "x", "media_content_type": "image/png"}])


async def test_a_model_that_turns_out_to_be_blind(hass: HomeAssistant, server: ChatServer, picture: Attachment) -> None:
    """The server's refusal becomes a sentence about the picture."""
    server.owned_by = "user"
    await set_up(hass, server)
    server.script([error(400, "image input is not supported")])
    with pytest.raises(HomeAssistantError) as raised:
        await attach(hass, picture)
    assert raised.value.translation_key == "pictures_refused"
    assert "image input is not supported" in str(raised.value)


async def test_wrong_attachments(
    hass: HomeAssistant, server: ChatServer, picture: Attachment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not a picture, is gone or is too large is refused before anything is sent."""
    seeing(server, "image")
    await set_up(hass, server)
    sound = Attachment(media_content_id="s", mime_type="audio/wav", path=picture.path)
    gone = Attachment(media_content_id="g", mime_type="image/png", path=tmp_path / "gone.png")
    keys = []
    for attachments in ([picture, sound], [gone]):
        with pytest.raises(HomeAssistantError) as raised:
            await attach(hass, *attachments)
        keys.append(raised.value.translation_key)
    monkeypatch.setattr(pictures, "MAX_PICTURES_BYTES", 7)
    with pytest.raises(HomeAssistantError) as raised:
        await attach(hass, picture, picture)
    assert [*keys, raised.value.translation_key] == ["not_a_picture", "picture_unreadable", "pictures_too_large"]
    assert server.requests == []


def test_a_request_without_a_system_prompt() -> None:
    """The schema is told in a system prompt of its own, and a nameless task gets a name."""
    request = TaskRequest("", {"type": "object", "additionalProperties": True}).complete(
        {"messages": [{"role": "user", "content": "x"}]}
    )
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert request["response_format"]["json_schema"]["name"] == "task"
    assert request["response_format"]["json_schema"]["strict"] is False
