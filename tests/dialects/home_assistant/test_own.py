"""Our own integration in this Home Assistant: it starts, is set up through its forms, and switches a light.

The suites of the integration run on the Home Assistant that has test helpers. Here it meets the newest one as well.
"""

from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_USER, ConfigEntry, ConfigEntryState
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er

import custom_components  # noqa: F401  before a fixture puts its own folder of that name first
from server_process import ServerProcess

from .conftest import ENTITIES
from .flows import Talk

pytestmark = pytest.mark.client("our own integration in Home Assistant", __version__)


@pytest.fixture(name="entry")
async def entry_fixture(
    enable_custom_integrations: None, hass: HomeAssistant, house: None, server: ServerProcess
) -> ConfigEntry:
    """Add the server by hand, with an agent as the form offers it."""
    flows = hass.config_entries.flow
    result: Any = await flows.async_init("home_llm", context={"source": SOURCE_USER})
    assert result["type"] is FlowResultType.MENU
    result = await flows.async_configure(result["flow_id"], {"next_step_id": "remote"})
    result = await flows.async_configure(result["flow_id"], {"url": server.url, "api_key": server.api_key})
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    await hass.async_block_till_done()
    entry: ConfigEntry = result["result"]
    assert entry.state is ConfigEntryState.LOADED
    return entry


async def test_switch_a_light(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """The agent that the forms made switches on the light that is named, and no other."""
    agents = [
        entity.entity_id
        for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        if entity.domain == "conversation"
    ]
    assert len(agents) == 1
    response = await Talk(hass).say(agents[0], "turn on the Kitchen Light")
    states = {entity_id: state.state for entity_id in ENTITIES if (state := hass.states.get(entity_id))}
    assert states == {**dict.fromkeys(ENTITIES, "off"), "light.kitchen_light": "on"}, response
    assert response["response_type"] == "action_done"


async def test_everything_that_it_adds(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Agent, AI task and sensors are there with a state, and go with the entry."""
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert {entity.domain for entity in entities} == {"ai_task", "conversation", "sensor"}
    enabled = [entity.entity_id for entity in entities if entity.disabled_by is None]
    assert all((state := hass.states.get(name)) and state.state != "unavailable" for name in enabled)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert not any(hass.states.get(name) for name in enabled)
