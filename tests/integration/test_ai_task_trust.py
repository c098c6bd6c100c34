"""AI tasks that may use tools: nothing outside of what is exposed, and nothing that somebody has to say yes to."""

from __future__ import annotations

from typing import Any

import probatio
import pytest
from homeassistant.components import ai_task
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Context, HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import llm, selector
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from custom_components.home_llm import deadline
from custom_components.home_llm.ai_task_flow import default_task
from custom_components.home_llm.home_services import HomeServicesAPI
from tests.integration.chat_server import Answer, ChatServer, answer, call, chunk
from tests.integration.conversing import is_on

TASK = "ai_task.home_llm_ai_task"
# Home Assistant asks on its own account what is exposed to AI tasks.
AI_TASK = "ai_task"
NOBODY = "Nobody can say yes to that here, so it was not done."

pytestmark = pytest.mark.usefixtures("house")


@pytest.fixture(name="unlocked")
async def unlocked_fixture(hass: HomeAssistant, server: ChatServer) -> list[ServiceCall]:
    """Set up an AI task, with a lamp and a front door exposed to it; return how often the door was unlocked."""
    hass.states.async_set("lock.front_door", "locked", {"friendly_name": "Front Door"})
    assert await async_setup_component(hass, "lock", {})
    for entity_id in ("lock.front_door", "light.bedroom_light"):
        async_expose_entity(hass, AI_TASK, entity_id, should_expose=True)
    entry = MockConfigEntry(
        domain="home_llm", title="Home LLM", data={"url": server.url}, subentries_data=[default_task()]
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return async_mock_service(hass, "lock", "unlock")


def assist(hass: HomeAssistant) -> llm.API:
    """Return Home Assistant's own API."""
    return next(api for api in llm.async_get_apis(hass) if api.id == llm.LLM_API_ASSIST)


async def do(hass: HomeAssistant, api: llm.API, instructions: str, **kwargs: Any) -> Any:
    """Run a task that may use an API, and return its data."""
    result = await ai_task.async_generate_data(
        hass,
        context=Context(),
        task_name="evening",
        entity_id=TASK,
        instructions=instructions,
        llm_api=api,
        **kwargs,
    )
    return result.data


def told(server: ChatServer) -> str:
    """Return the result that the model was told last."""
    message = server.requests[-1]["messages"][-1]
    assert message["role"] == "tool"
    return str(message["content"])


async def test_what_is_exposed_is_done(hass: HomeAssistant, server: ChatServer, unlocked: list[ServiceCall]) -> None:
    """A task switches a lamp that is exposed to AI tasks, and its grammar has the names of no others."""
    server.script(
        [answer(call("HassTurnOn", {"name": "Bedroom Light"}), finish="tool_calls"), answer("The bedroom is lit.")]
    )
    assert await do(hass, assist(hass), "Turn on the bedroom light.") == "The bedroom is lit."
    assert is_on(hass, "light.bedroom_light")
    assert server.requests[0]["home_llm"]["allowed_values"]["name"] == ["Bedroom Light", "Front Door"]


@pytest.mark.parametrize(
    "arguments",
    [{"name": "Kitchen Light"}, {"name": "Safe Light"}, {"domain": ["switch"]}, {"name": "light.safe_light"}],
)
async def test_what_is_not_exposed_is_out_of_reach(
    hass: HomeAssistant, server: ChatServer, unlocked: list[ServiceCall], arguments: dict[str, Any]
) -> None:
    """What is exposed to the voice assistant alone, or to nobody, is not switched by a task."""
    server.script([answer(call("HassTurnOn", arguments), finish="tool_calls"), answer("I could not.")])
    assert await do(hass, assist(hass), "Do what the message says.") == "I could not."
    assert "I found nothing that fits " in told(server)
    assert not is_on(hass, "light.kitchen_light")
    assert not is_on(hass, "light.safe_light")


@pytest.mark.parametrize("arguments", [{"name": "Front Door"}, {"domain": ["lock"]}])
async def test_a_door_stays_shut(
    hass: HomeAssistant,
    server: ChatServer,
    unlocked: list[ServiceCall],
    arguments: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What has to be confirmed is refused with the reason, since nobody can; the data of the task come all the same."""
    server.script([answer(call("HassTurnOff", arguments), finish="tool_calls"), answer('{"open": false}')])
    structure = probatio.Schema({probatio.Required("open"): selector.BooleanSelector()})
    assert await do(hass, assist(hass), "Unlock the front door.", structure=structure) == {"open": False}
    assert unlocked == []
    assert NOBODY in told(server)
    assert "Shall I unlock the Front Door?" in caplog.text


async def test_a_task_that_insists(hass: HomeAssistant, server: ChatServer, unlocked: list[ServiceCall]) -> None:
    """A model that does nothing else ends the task with the reason, and asks a question of nobody."""
    wrong = answer(call("HassTurnOff", {"name": "Front Door"}), finish="tool_calls")
    server.script([wrong, wrong])
    with pytest.raises(HomeAssistantError, match=NOBODY) as raised:
        await do(hass, assist(hass), "Unlock the front door.")
    assert raised.value.translation_key == "refused"
    assert unlocked == []


async def test_home_services_in_a_task(hass: HomeAssistant, server: ChatServer, unlocked: list[ServiceCall]) -> None:
    """Home services have the same rules there: what is exposed, and nothing that has to be asked."""
    api = HomeServicesAPI(hass)
    server.script([answer(call("light.turn_on", {"entity_id": "light.bedroom_light"}), "It is on.")])
    assert await do(hass, api, "Turn on the bedroom light.") == "It is on."
    assert is_on(hass, "light.bedroom_light")
    refused = {
        "light.kitchen_light": ("light.turn_on", "I have no access to light.kitchen_light."),
        "lock.front_door": ("lock.unlock", NOBODY),
    }
    for entity_id, (service, reason) in refused.items():
        wrong = answer(call(service, {"entity_id": entity_id}), "Done.")
        server.script([wrong, wrong])
        with pytest.raises(HomeAssistantError, match=reason):
            await do(hass, api, "Do it.")
    assert unlocked == []
    assert not is_on(hass, "light.kitchen_light")


async def test_a_near_miss(hass: HomeAssistant, server: ChatServer, unlocked: list[ServiceCall]) -> None:
    """The lamp of a room that does not exist is not that of another one, whatever the instructions say beside it."""
    server.script(
        [answer(call("HassTurnOn", {"name": "Bedroom Light"}), finish="tool_calls"), answer("There is none.")]
    )
    instructions = "Turn on the cellar light. Then write one friendly sentence about the weather."
    assert await do(hass, assist(hass), instructions) == "There is none."
    assert not is_on(hass, "light.bedroom_light")
    assert f"Did you mean Bedroom Light?\u201d {NOBODY}" in told(server)


async def test_a_task_without_end(
    hass: HomeAssistant, server: ChatServer, unlocked: list[ServiceCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task has more time than somebody who speaks, a second for each token, and then it ends with an error."""
    monkeypatch.setattr(deadline, "TURN_SECONDS", 0.1)
    monkeypatch.setattr(deadline, "TOKEN_SECONDS", 0.0001)
    server.script([Answer([chunk({"role": "assistant"})], hang=True)])
    with pytest.raises(HomeAssistantError) as raised:
        await do(hass, assist(hass), "Write a novel.")
    assert raised.value.translation_key == "too_slow"
