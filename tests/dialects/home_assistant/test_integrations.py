"""Home Assistant's `llama_cpp`, `ollama` and `litellm` integrations, as they ship, against the real server.

No answer is scripted: what switches the light is the call that the embedded model's base made of the integration's own
prompt and tools.
"""

from typing import Any

import pytest
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from server_process import ServerProcess

from .conftest import ENTITIES
from .flows import ASSIST, Talk, Wishes, add_agent, add_server

MODEL = "SmolLM2-135M-Instruct"
AGENT = {"llm_hass_api": ASSIST, "prompt": "You are a voice assistant for Home Assistant."}

HOME_ASSISTANT = "conversation.home_assistant"
"""Home Assistant's own agent, which understands what it has sentences for."""

BEFORE = ("turn on the Bedroom Light", "turn on the Hall Light", "turn on the Attic Light") * 2
"""What was said before in the same conversation and done without a model, as voice assistants do it by default.

An untuned model of 135M parameters cannot follow Assist's prompt by itself: it has to see how commands become calls. It
is then sure of every token (97 percent and more), so that what is drawn is right too where an integration sends no
temperature.
"""

INTEGRATIONS = (
    Wishes(
        "llama_cpp",
        server={"base_url": "{url}/v1", "api_key": "{key}", "chat_model": MODEL},
        agent={**AGENT, "chat_model": MODEL, "recommended": False, "max_tokens": 100, "top_p": 1, "temperature": 0},
    ),
    Wishes(
        "ollama",
        server={"url": "{url}", "api_key": "{key}"},
        agent={**AGENT, "name": "Ollama", "model": f"{MODEL}:latest"},
    ),
    Wishes("litellm", server={"url": "{url}", "api_key": "{key}"}, agent={**AGENT, "model": MODEL}),
)


@pytest.fixture(
    name="wishes",
    params=[
        pytest.param(each, id=each.domain, marks=pytest.mark.client(f"Home Assistant's {each.domain}", __version__))
        for each in INTEGRATIONS
    ],
)
def wishes_fixture(request: pytest.FixtureRequest) -> Wishes:
    """Return what is filled in for each integration."""
    wishes: Wishes = request.param
    return wishes


@pytest.fixture(name="entry")
async def entry_fixture(hass: HomeAssistant, house: None, server: ServerProcess, wishes: Wishes) -> ConfigEntry:
    """Add the server."""
    result = await add_server(hass, wishes, server.url, server.api_key)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    entry: ConfigEntry = result["result"]
    assert entry.state is ConfigEntryState.LOADED
    return entry


def _states(hass: HomeAssistant) -> dict[str, str]:
    return {entity_id: hass.states.get(entity_id).state for entity_id in ENTITIES}  # type: ignore[union-attr]


async def test_switch_a_light(hass: HomeAssistant, entry: ConfigEntry, wishes: Wishes) -> None:
    """An agent with Assist's tools switches on the light that is named, and no other."""
    agent = await add_agent(hass, entry, wishes)
    talk = Talk(hass)
    for command in BEFORE:
        await talk.say(HOME_ASSISTANT, command)
    before = _states(hass)
    assert before["light.kitchen_light"] == "off"
    called: list[Any] = []
    hass.bus.async_listen("call_service", lambda event: called.append(event.data))
    response = await talk.say(agent, "turn on the Kitchen Light")
    assert _states(hass) == {**before, "light.kitchen_light": "on"}, response
    assert [(call["domain"], call["service"]) for call in called if call["domain"] == "light"] == [("light", "turn_on")]
    assert response["response_type"] == "action_done"


async def test_wrong_key(hass: HomeAssistant, house: None, server: ServerProcess, wishes: Wishes) -> None:
    """The form says that the key is wrong, and keeps asking."""
    result = await add_server(hass, wishes, server.url, "wrong")
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": "invalid_auth"}


async def test_reload_and_remove(hass: HomeAssistant, entry: ConfigEntry, wishes: Wishes) -> None:
    """The entry can be reloaded with its agent, and leaves nothing behind."""
    agent = await add_agent(hass, entry, wishes)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.get(agent) is not None
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.get(agent) is None
