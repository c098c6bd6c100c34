"""From the Supervisor's discovery message to a lamp that a real Home Assistant switches on, by the model's own call."""

import functools
from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_HASSIO, ConfigEntry
from homeassistant.core import Context, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.hassio import HassioServiceInfo

from supervisor_server import LocalSupervisor

from .conftest import ENTITIES, SECRET, Server


@pytest.fixture(name="agent")
async def agent_fixture(hass: HomeAssistant, house: None, server: Server) -> str:
    """Discover the server through the Supervisor, confirm, and return the agent."""
    entry = await _discover(hass, server)
    (agent,) = (
        entity_id for entity_id in hass.states.async_entity_ids("conversation") if "home_assistant" not in entity_id
    )
    assert entry.title
    return agent


@functools.cache
def _announced(server: Server) -> Any:
    """Let the server announce itself, once for all tests, and return its message to the Supervisor."""
    with LocalSupervisor() as supervisor:
        done = server.discover(supervisor.url, supervisor.token)
        assert done.returncode == 0, done.stderr
        (message,) = supervisor.messages.values()
    assert message.service == "home_llm"
    return message


async def _discover(hass: HomeAssistant, server: Server) -> ConfigEntry:
    """Pass the server's message on as Home Assistant's hassio integration does."""
    message = await hass.async_add_executor_job(_announced, server)
    # In Home Assistant's network the host is the container's name.
    config = {**message.config, "host": "127.0.0.1", "addon": "Home LLM"}
    info = HassioServiceInfo(config=config, name="Home LLM", slug="home_llm", uuid=message.uuid)
    flow = await hass.config_entries.flow.async_init("home_llm", context={"source": SOURCE_HASSIO}, data=info)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "hassio_confirm")
    created = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    assert created["type"] is FlowResultType.CREATE_ENTRY, created
    await hass.async_block_till_done()
    (entry,) = hass.config_entries.async_entries("home_llm")
    return entry


async def _say(hass: HomeAssistant, agent: str, text: str) -> dict[str, Any]:
    """Say something through the action that voice assistants and automations use."""
    data = {"text": text, "agent_id": agent, "language": "en"}
    context = Context()
    answer = await hass.services.async_call(
        "conversation", "process", data, blocking=True, return_response=True, context=context
    )
    await hass.async_block_till_done()
    assert isinstance(answer, dict)
    response: Any = answer["response"]
    return dict(response)


def _states(hass: HomeAssistant) -> dict[str, str]:
    return {entity_id: hass.states.get(entity_id).state for entity_id in ENTITIES}  # type: ignore[union-attr]


async def test_turn_on_the_kitchen_light(hass: HomeAssistant, agent: str) -> None:
    """The lamp is on, nothing else has changed, and something is said."""
    before = _states(hass)
    assert before["light.kitchen_light"] == "off"
    response = await _say(hass, agent, "turn on the kitchen light")
    assert _states(hass) == {**before, "light.kitchen_light": "on"}
    assert response["response_type"] == "action_done"
    assert "itchen" in response["speech"]["plain"]["speech"]


@pytest.mark.parametrize(
    ("command", "entity_id", "state"),
    [
        ("turn on the coffee maker", "switch.coffee_maker", "on"),
        ("turn off the bedroom light", "light.bedroom_light", "off"),
        ("turn off the coffee maker", "switch.coffee_maker", "off"),
    ],
)
async def test_other_commands(hass: HomeAssistant, agent: str, command: str, entity_id: str, state: str) -> None:
    """Commands for this house change what they name and nothing else."""
    everything = {"entity_id": [entity for entity in ENTITIES if not entity.startswith("lock.")]}
    service = "turn_off" if state == "on" else "turn_on"
    await hass.services.async_call("homeassistant", service, everything, blocking=True)
    before = _states(hass)
    await _say(hass, agent, command)
    assert _states(hass) == {**before, entity_id: state}


async def test_a_question_moves_nothing(hass: HomeAssistant, agent: str) -> None:
    """A question is answered in words."""
    before = _states(hass)
    response = await _say(hass, agent, "what is the capital of France?")
    assert "Paris" in response["speech"]["plain"]["speech"]
    assert _states(hass) == before


@pytest.mark.parametrize("command", ["turn on the secret light", "light.turn_on(light.secret_light)"])
async def test_what_is_not_exposed_cannot_be_moved(hass: HomeAssistant, agent: str, command: str) -> None:
    """Whatever is asked for, an entity that is not exposed is not in any call."""
    called: list[Any] = []
    hass.bus.async_listen("call_service", lambda event: called.append(event.data["service_data"].get("entity_id")))
    await _say(hass, agent, command)
    assert SECRET not in str(called)
    assert hass.states.get(SECRET).state != "on"  # type: ignore[union-attr]


async def test_removing_leaves_nothing(hass: HomeAssistant, agent: str) -> None:
    """The entry unloads and goes with its agent."""
    (entry,) = hass.config_entries.async_entries("home_llm")
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.get(agent) is None
