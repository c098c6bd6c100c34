"""How much a prompt takes, as the real server counts it, and a house that is too large for its context."""

from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import Context, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm.subentry_schemas import CONF_SHOW_PROMPT, SECTION_ADVANCED

from .conftest import Server

ADVANCED = {
    "max_tokens": 512,
    "temperature": 0,
    "thinking": "auto",
    "history_turns": 10,
    "tell_time": False,
    "training": "auto",
    "examples": 7,
    "tool_format": "minimal",
}


async def _set_up(hass: HomeAssistant, server: Server) -> MockConfigEntry:
    """Set up the server with an agent."""
    agent = ConfigSubentryData(subentry_type="conversation", title="Al", data={"tool_mode": "home"}, unique_id=None)
    data = {"url": f"http://127.0.0.1:{server.port}", "api_key": server.api_key}
    entry = MockConfigEntry(domain="home_llm", title="Home LLM", data=data, subentries_data=[agent])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


async def _shown(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, str]:
    """Return what the preview of the agent shows."""
    result = await entry.start_subentry_reconfigure_flow(hass, next(iter(entry.subentries)))
    configure = hass.config_entries.subentries.async_configure
    result = await configure(result["flow_id"], {"name": "Al", "tool_mode": "home"})
    form = {"persona": "al", CONF_SHOW_PROMPT: True, SECTION_ADVANCED: ADVANCED}
    result = await configure(result["flow_id"], form)
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "preview")
    return dict(result["description_placeholders"] or {})


async def test_the_server_counts_the_prompt(hass: HomeAssistant, house: None, server: Server) -> None:
    """The preview has the number of tokens that the model's own tokenizer gives."""
    shown = await _shown(hass, await _set_up(hass, server))
    assert "light.kitchen_light 'Kitchen Light' = off" in shown["prompt"]
    # Names and ids are between two and five characters a token.
    assert len(shown["prompt"]) / 5 < int(shown["tokens"]) < len(shown["prompt"]) / 2
    assert shown["context"] == "2048"


async def test_a_house_that_is_too_large(hass: HomeAssistant, house: None, server: Server) -> None:
    """With three hundred devices the server still answers, because the prompt tells of those that fit."""
    for number in range(300):
        entity_id = f"switch.wall_socket_{number}"
        hass.states.async_set(entity_id, "off", {"friendly_name": f"Wall Socket {number} in the corridor"})
        async_expose_entity(hass, "conversation", entity_id, should_expose=True)
    entry = await _set_up(hass, server)
    shown = await _shown(hass, entry)
    assert 800 < int(shown["tokens"]) < 2048 - 256
    assert int(shown["told"]) < int(shown["exposed"])
    (agent,) = (entity for entity in hass.states.async_entity_ids("conversation") if "home_assistant" not in entity)
    data = {"text": "turn on wall socket 299", "agent_id": agent, "language": "en"}
    answer = await hass.services.async_call(
        "conversation", "process", data, blocking=True, return_response=True, context=Context()
    )
    assert answer is not None
    assert "context" not in str(answer["response"]).casefold()
