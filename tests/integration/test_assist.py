"""Assist mode: Home Assistant's own tools, on any OpenAI server."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr

from custom_components.home_llm.assist import ToolNames, async_allowed_values, repair_arguments
from tests.integration.chat_server import ChatServer, answer, call, chunk
from tests.integration.conftest import make_entry

AGENT = "conversation.al"


async def say(hass: HomeAssistant, text: str) -> str:
    """Return what the agent says."""
    result = await conversation.async_converse(hass, text, None, Context(), language="en", agent_id=AGENT)
    return str(result.response.speech["plain"]["speech"])


async def set_up(hass: HomeAssistant, server: ChatServer, **agent: Any) -> None:
    """Set up an agent with Assist."""
    entry = make_entry(server, tool_mode="assist", **{"llm_hass_api": ["assist"], **agent})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


@pytest.mark.usefixtures("house")
async def test_a_command(hass: HomeAssistant, server: ChatServer) -> None:
    """A bare tool name is mapped back, the intent switches the lamp, and the result goes to the model."""
    await set_up(hass, server)
    server.script(
        [
            answer(
                call("HassTurnOn", {"name": "Kitchen Light", "area": "", "domain": '["light"]'}, call_id="one"),
                finish="tool_calls",
            ),
            answer("The light is on."),
        ]
    )
    assert await say(hass, "turn on the kitchen light") == "The light is on."
    state = hass.states.get("light.kitchen_light")
    assert state is not None
    assert state.state == "on"

    first, second = server.requests
    names = [tool["function"]["name"] for tool in first["tools"]]
    assert "HassTurnOn" in names
    assert "GetLiveContext" in names
    assert not any("__" in name for name in names)
    assert first["home_llm"]["allowed_values"]["name"] == [
        "Attic Light",
        "Bedroom Light",
        "Kitchen Light",
        "Outside Temperature",
        "Pump",
    ]
    assert "tool_markup" not in first["home_llm"]
    assistant, tool = second["messages"][-2:]
    assert assistant["tool_calls"][0]["function"] == {
        "name": "HassTurnOn",
        "arguments": '{"name":"Kitchen Light","domain":["light"]}',
    }
    assert tool["tool_call_id"] == "one"
    assert '"error":false' in tool["content"]
    assert '"action_done"' in tool["content"]


@pytest.mark.usefixtures("house")
async def test_another_server_never_gets_our_extension(hass: HomeAssistant, server: ChatServer) -> None:
    """Other servers are sent what the OpenAI API describes and nothing else."""
    server.owned_by = "user"
    await set_up(hass, server)
    server.script([answer("Hi.")])
    assert await say(hass, "hello") == "Hi."
    assert set(server.requests[0]) == {
        "model",
        "messages",
        "tools",
        "max_tokens",
        "temperature",
        "stream",
        "stream_options",
    }


@pytest.mark.usefixtures("house")
async def test_a_tool_that_does_not_exist(hass: HomeAssistant, server: ChatServer) -> None:
    """The error is fed back, and the model's next words are said."""
    await set_up(hass, server)
    server.script([answer(call("Explode", {})), answer("I cannot do that.")])
    assert await say(hass, "explode") == "I cannot do that."
    tool = server.requests[1]["messages"][-1]
    assert '"error":true' in tool["content"]
    assert "Explode" in tool["content"]


@pytest.mark.usefixtures("house")
async def test_a_model_with_nothing_to_add(hass: HomeAssistant, server: ChatServer) -> None:
    """After a successful action an empty answer is a confirmation."""
    await set_up(hass, server)
    server.script([answer(call("HassTurnOn", {"name": "Kitchen Light"})), answer()])
    assert await say(hass, "turn on the kitchen light") == "Done."


@pytest.mark.usefixtures("house")
async def test_a_model_that_repeats_what_worked(hass: HomeAssistant, server: ChatServer) -> None:
    """A call that is made again and again, though it works, ends with a confirmation and not after ten rounds."""
    await set_up(hass, server)
    again = answer(call("HassTurnOn", {"name": "Kitchen Light"}), finish="tool_calls")
    server.script([again] * 10)
    assert await say(hass, "turn on the kitchen light") == "Done."
    assert len(server.requests) == 3


@pytest.mark.usefixtures("house")
async def test_a_model_that_only_looks(hass: HomeAssistant, server: ChatServer) -> None:
    """Who was asked something, looked it up and said nothing has not done anything."""
    await set_up(hass, server)
    server.script([answer(call("GetLiveContext", {}), finish="tool_calls"), answer()])
    assert await say(hass, "is the kitchen light on?") == "The model gave no answer."


async def test_only_talking(hass: HomeAssistant, server: ChatServer) -> None:
    """Without an API the agent has no tools and does not claim control."""
    await set_up(hass, server, llm_hass_api=[])
    state = hass.states.get(AGENT)
    assert state is not None
    assert state.attributes["supported_features"] == 0
    server.script([answer(chunk({"reasoning_content": "hm"}), "Hi.")])
    assert await say(hass, "hello") == "Hi."
    assert "tools" not in server.requests[0]


async def test_an_api_that_is_gone(hass: HomeAssistant, server: ChatServer) -> None:
    """An API whose integration was removed does not silence the agent."""
    await set_up(hass, server, llm_hass_api=["gone", "assist"])
    server.script([answer("Hi.")])
    assert await say(hass, "hello") == "Hi."
    assert server.requests[0]["tools"]


@pytest.mark.usefixtures("house")
async def test_allowed_values(hass: HomeAssistant) -> None:
    """Names, areas and floors with their aliases, of what is exposed only."""
    floor = fr.async_get(hass).async_create("Ground floor", aliases={"Downstairs"})
    ar.async_get(hass).async_create("Kitchen", aliases={"Galley"}, floor_id=floor.floor_id)
    registry = er.async_get(hass)
    registry.async_update_entity("light.kitchen_light", aliases=[er.COMPUTED_NAME, "Ceiling"])
    registry.async_update_entity("light.safe_light", aliases=[er.COMPUTED_NAME, "Secret"])
    assert async_allowed_values(hass, "conversation") == {
        "name": ["Attic Light", "Bedroom Light", "Ceiling", "Kitchen Light", "Outside Temperature", "Pump"],
        "area": ["Galley", "Kitchen"],
        "floor": ["Downstairs", "Ground floor"],
    }


def test_tool_names() -> None:
    """Prefixes are dropped and restored; where two tools would share a name both keep their own."""
    names = ToolNames.from_names(["intent__HassTurnOn", "a__get", "b__get", "plain", "x__plain", "assist__y__z"])
    outbound = {
        "intent__HassTurnOn": "HassTurnOn",
        "a__get": "a__get",
        "b__get": "b__get",
        "plain": "plain",
        "x__plain": "x__plain",
        "assist__y__z": "z",
        "unknown": "unknown",
    }
    assert {name: names.outbound(name) for name in outbound} == outbound
    assert {names.inbound(short) for short in outbound.values()} == set(outbound)


def test_repair_arguments() -> None:
    """Empty values are left out and lists written as text are read, everything else stays."""
    assert repair_arguments(
        {"a": None, "b": "", "c": '["light"]', "d": "[broken", "e": "[x]", "f": 0, "g": False, "h": "{}"}
    ) == {"c": ["light"], "d": "[broken", "e": "[x]", "f": 0, "g": False, "h": {}}
