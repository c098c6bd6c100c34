"""Adding and changing agents."""

from __future__ import annotations

from typing import Any

from homeassistant.config_entries import SOURCE_USER, SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm.home_format import DEFAULT_INSTRUCTIONS
from tests.integration.chat_server import ChatServer
from tests.integration.conftest import make_entry

COMMON: dict[str, Any] = {"prompt": DEFAULT_INSTRUCTIONS, "max_tokens": 256.0, "temperature": 0.1}


async def add(hass: HomeAssistant, entry: MockConfigEntry) -> SubentryFlowResult:
    """Start adding an agent."""
    return await hass.config_entries.subentries.async_init(
        (entry.entry_id, "conversation"), context={"source": SOURCE_USER}
    )


async def fill(hass: HomeAssistant, result: SubentryFlowResult, **user_input: Any) -> SubentryFlowResult:
    """Submit a form."""
    return await hass.config_entries.subentries.async_configure(result["flow_id"], user_input)


def suggested(result: SubentryFlowResult) -> dict[str, Any]:
    """Return what a form is filled with."""
    schema = result["data_schema"]
    assert schema is not None
    return {
        str(key): (key.description or {}).get("suggested_value", key.default() if callable(key.default) else None)
        for key in schema.schema
    }


async def test_add_an_agent_with_home_services(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A name, a mode and a model, then the options; unchanged instructions are not stored."""
    result = await add(hass, entry)
    assert result["step_id"] == "agent"
    assert suggested(result)["tool_mode"] == "home"
    result = await fill(hass, result, name="Kitchen", tool_mode="home", model="some/other model")
    assert result["step_id"] == "home"
    assert suggested(result)["prompt"] == DEFAULT_INSTRUCTIONS
    result = await fill(hass, result, **COMMON)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    agent = list(entry.subentries.values())[-1]
    assert agent.title == "Kitchen"
    assert agent.data == {
        "tool_mode": "home",
        "model": "some/other model",
        "max_tokens": 256,
        "temperature": 0.1,
    }
    # The update listener has loaded the new agent.
    assert er.async_get(hass).async_get_entity_id("conversation", "home_llm", agent.subentry_id)
    assert hass.states.get("conversation.kitchen") is not None


async def test_add_an_agent_with_assist(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Assist is suggested, and own instructions are stored."""
    result = await fill(hass, await add(hass, entry), name="Big", tool_mode="assist")
    assert result["step_id"] == "assist"
    assert suggested(result)["llm_hass_api"] == ["assist"]
    result = await fill(hass, result, **{**COMMON, "prompt": "Be brief.", "llm_hass_api": ["assist"]})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert list(entry.subentries.values())[-1].data == {
        "tool_mode": "assist",
        "llm_hass_api": ["assist"],
        "prompt": "Be brief.",
        "max_tokens": 256,
        "temperature": 0.1,
    }


async def test_home_services_need_our_server(hass: HomeAssistant, server: ChatServer) -> None:
    """On another server the mode is refused in the form, and Assist is suggested."""
    server.owned_by = "user"
    entry = make_entry(server, tool_mode="assist")
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    result = await add(hass, entry)
    assert suggested(result)["tool_mode"] == "assist"
    result = await fill(hass, result, name="Al", tool_mode="home")
    assert result["errors"] == {"tool_mode": "home_mode_unsupported"}
    result = await fill(hass, result, name="Al", tool_mode="assist")
    assert result["step_id"] == "assist"


async def test_reconfigure(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Everything can be changed, emptied fields are taken away, and the agent is reloaded."""
    subentry_id = next(iter(entry.subentries))
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    assert suggested(result)["name"] == "Al"
    result = await fill(hass, result, name="Bo", tool_mode="assist", model="embedded")
    # A mode that is new to the agent comes with its own instructions and with control.
    assert suggested(result)["prompt"] != DEFAULT_INSTRUCTIONS
    assert suggested(result)["llm_hass_api"] == ["assist"]
    result = await fill(hass, result, prompt="Hi.", max_tokens=100, temperature=1)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    subentry = entry.subentries[subentry_id]
    assert subentry.title == "Bo"
    assert subentry.data == {
        "tool_mode": "assist",
        "model": "embedded",
        "prompt": "Hi.",
        "max_tokens": 100,
        "temperature": 1,
    }

    # An agent that may only talk stays so, and the model can be given back to the server.
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await fill(hass, result, name="Bo", tool_mode="assist")
    assert suggested(result)["llm_hass_api"] == []
    await fill(hass, result, max_tokens=100, temperature=1)
    await hass.async_block_till_done()
    assert entry.subentries[subentry_id].data == {"tool_mode": "assist", "max_tokens": 100, "temperature": 1}

    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await fill(hass, result, name="Bo", tool_mode="home")
    await fill(hass, result, **COMMON)
    await hass.async_block_till_done()
    assert entry.subentries[subentry_id].data == {"tool_mode": "home", "max_tokens": 256, "temperature": 0.1}


async def test_an_api_that_is_gone_is_not_suggested(hass: HomeAssistant, server: ChatServer) -> None:
    """An API whose integration was removed does not break the form."""
    entry = make_entry(server, tool_mode="assist", llm_hass_api=["gone", "assist"])
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    result = await entry.start_subentry_reconfigure_flow(hass, next(iter(entry.subentries)))
    result = await fill(hass, result, name="Al", tool_mode="assist")
    assert suggested(result)["llm_hass_api"] == ["assist"]


async def test_no_changes_while_the_server_is_away(hass: HomeAssistant, server: ChatServer) -> None:
    """Without its server an entry has no models to choose from."""
    entry = make_entry(server)
    entry.add_to_hass(hass)
    await server.stop()
    await hass.config_entries.async_setup(entry.entry_id)
    result = await add(hass, entry)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "entry_not_loaded"
