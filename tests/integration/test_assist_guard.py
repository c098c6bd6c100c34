"""Assist's own tools ask before they open the house, like home services."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import llm
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_mock_service

from tests.integration.chat_server import ChatServer, answer, call
from tests.integration.conftest import make_entry
from tests.integration.conversing import say, speech

pytestmark = pytest.mark.usefixtures("house")


async def set_up(hass: HomeAssistant, server: ChatServer, **agent: Any) -> None:
    """Set up an agent with Assist, a front door and a garage."""
    entry = make_entry(server, tool_mode="assist", **{"llm_hass_api": ["assist"], **agent})
    entry.add_to_hass(hass)
    for entity_id, name, attributes in (
        ("lock.front_door", "Front Door", {}),
        ("cover.garage", "Garage Door", {"device_class": "garage", "supported_features": 15}),
        ("cover.blind", "Blind", {"device_class": "blind", "supported_features": 15}),
    ):
        hass.states.async_set(entity_id, "closed", {"friendly_name": name, **attributes})
        async_expose_entity(hass, "conversation", entity_id, should_expose=True)
    for domain in ("lock", "cover"):
        assert await async_setup_component(hass, domain, {})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("tool", "arguments", "service", "question"),
    [
        ("HassTurnOff", {"name": "Front Door"}, "lock.unlock", "Shall I unlock the Front Door?"),
        ("HassTurnOff", {"domain": ["lock"]}, "lock.unlock", "Shall I unlock the Front Door?"),
        ("HassTurnOn", {"name": "Garage Door"}, "cover.open_cover", "Shall I open the Garage Door?"),
        (
            "HassSetPosition",
            {"name": "Garage Door", "position": 40},
            "cover.set_cover_position",
            "Shall I open the Garage Door?",
        ),
        ("HassTurnOn", {"name": "Front Door"}, "lock.lock", None),
        ("HassTurnOff", {"name": "Garage Door"}, "cover.close_cover", None),
        ("HassTurnOn", {"name": "Blind"}, "cover.open_cover", None),
    ],
)
async def test_doors(
    hass: HomeAssistant,
    server: ChatServer,
    tool: str,
    arguments: dict[str, Any],
    service: str,
    question: str | None,
) -> None:
    """What would be unlocked or opened is asked about, and done after a yes."""
    await set_up(hass, server)
    calls: list[ServiceCall] = async_mock_service(hass, *service.split("."))
    server.script([answer(call(tool, arguments), finish="tool_calls"), answer("Ok.")])
    result = await say(hass, "open the door")
    if question is None:
        assert speech(result) == "Ok."
        assert len(calls) == 1
        return
    assert speech(result) == question
    assert result.continue_conversation
    assert calls == []
    assert speech(await say(hass, "yes", conversation_id=result.conversation_id)) == "Done."
    assert len(calls) == 1
    assert len(server.requests) == 1


async def test_never_to_ask(hass: HomeAssistant, server: ChatServer) -> None:
    """An agent that is to ask nothing asks nothing."""
    await set_up(hass, server, confirm=[])
    calls = async_mock_service(hass, "lock", "unlock")
    server.script([answer(call("HassTurnOff", {"name": "Front Door"}), finish="tool_calls"), answer("Open.")])
    assert speech(await say(hass, "open the door")) == "Open."
    assert len(calls) == 1


async def test_scripts(hass: HomeAssistant, server: ChatServer) -> None:
    """A script is asked about where routines are."""
    ran: list[ServiceCall] = async_mock_service(hass, "test", "ran")
    assert await async_setup_component(hass, "script", {"script": {"party": {"sequence": [{"action": "test.ran"}]}}})
    await set_up(hass, server, confirm=["routine"])
    async_expose_entity(hass, "conversation", "script.party", should_expose=True)
    server.script([answer(call("script__party", {}), finish="tool_calls")])
    result = await say(hass, "party")
    assert speech(result) == "Shall I run party?"
    assert ran == []
    await say(hass, "yes", conversation_id=result.conversation_id)
    await hass.async_block_till_done()
    assert len(ran) == 1


class BrokenTool(llm.Tool):
    """A tool with a bug."""

    name = "break"
    description = "Breaks"
    integration = "test"

    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Fail as a bug does."""
        message = "list index out of range"
        raise IndexError(message)


class BrokenAPI(llm.API):
    """An API with such a tool."""

    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> llm.APIInstance:
        """Return the tool."""
        return llm.APIInstance(api=self, api_prompt="", llm_context=llm_context, tools=[BrokenTool()])


async def test_a_tool_with_a_bug(hass: HomeAssistant, server: ChatServer) -> None:
    """A bug in somebody's tool is a result that the model hears of, and not the end of the conversation."""
    llm.async_register_api(hass, BrokenAPI(hass=hass, id="broken", name="Broken"))
    await set_up(hass, server, llm_hass_api=["broken"])
    server.script([answer(call("break", {}), finish="tool_calls"), answer("It is broken.")])
    assert speech(await say(hass, "break it")) == "It is broken."
    assert "list index out of range" in server.requests[1]["messages"][-1]["content"]
