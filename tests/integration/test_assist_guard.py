"""Assist's own tools ask before they open the house, like home services."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.intent import TimerInfo, async_register_timer_handler
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import llm
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from tests.integration.chat_server import ChatServer, answer, call
from tests.integration.conftest import make_entry
from tests.integration.conversing import KITCHEN, is_on, say, speech

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


async def test_several_doors_at_once(hass: HomeAssistant, server: ChatServer) -> None:
    """One call on several doors is asked about with the names of all of them."""
    await set_up(hass, server)
    hass.states.async_set("lock.back_door", "locked", {"friendly_name": "Back Door"})
    async_expose_entity(hass, "conversation", "lock.back_door", should_expose=True)
    calls = async_mock_service(hass, "lock", "unlock")
    server.script([answer(call("HassTurnOff", {"domain": ["lock"]}), finish="tool_calls")])
    result = await say(hass, "open the doors")
    assert speech(result) == "Shall I unlock the Front Door? Shall I unlock the Back Door?"
    assert calls == []
    await say(hass, "yes", conversation_id=result.conversation_id)
    assert len(calls) == 2


async def test_a_command_for_later(hass: HomeAssistant, server: ChatServer) -> None:
    """What Home Assistant will do when a timer ends is asked about now, because then it asks nobody."""
    await set_up(hass, server)
    owner = MockConfigEntry(domain="satellite")
    owner.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(config_entry_id=owner.entry_id, identifiers={("satellite", "1")})
    started: list[TimerInfo] = []
    async_register_timer_handler(hass, device.id, lambda _event, timer: started.append(timer))
    timer = {"minutes": 5, "conversation_command": "turn off the kitchen light"}
    server.script([answer(call("HassStartTimer", timer), finish="tool_calls")])
    result = await say(hass, "turn off the kitchen light in five minutes", device_id=device.id)
    assert speech(result) == "Shall I do this when the time is up: \u201cturn off the kitchen light\u201d?"
    assert started == []
    server.script([answer(call("HassStartTimer", {"minutes": 5}), finish="tool_calls"), answer("It runs.")])
    assert speech(await say(hass, "set a timer of five minutes", device_id=device.id)) == "It runs."
    assert [(one.seconds, one.conversation_command) for one in started] == [(300, None)]


async def test_a_near_miss(hass: HomeAssistant, server: ChatServer) -> None:
    """The lamp of a room that does not exist is not the lamp of another room, unless the user says so."""
    await set_up(hass, server)
    server.script([answer(call("HassTurnOn", {"name": "Bedroom Light"}), finish="tool_calls")])
    asked = await say(hass, "turn on the cellar light")
    assert speech(asked) == "Did you mean Bedroom Light?"
    assert asked.continue_conversation
    assert not is_on(hass, "light.bedroom_light")
    assert speech(await say(hass, "yes", conversation_id=asked.conversation_id)) == "Done."
    assert is_on(hass, "light.bedroom_light")


async def test_another_device_was_named(hass: HomeAssistant, server: ChatServer) -> None:
    """A call on something else than was named is shown to the model; who insists is not obeyed."""
    await set_up(hass, server)
    wrong = answer(call("HassTurnOn", {"name": "Bedroom Light", "area": ""}), finish="tool_calls")
    right = answer(call("HassTurnOn", {"name": "Kitchen Light"}), finish="tool_calls")
    server.script([wrong, right, answer("It is on.")])
    assert speech(await say(hass, "turn on the kitchen light")) == "It is on."
    assert is_on(hass, "light.kitchen_light")
    assert not is_on(hass, "light.bedroom_light")
    assert "but I understood Bedroom Light" in server.requests[1]["messages"][-1]["content"]

    await hass.services.async_call("light", "turn_off", KITCHEN, blocking=True)
    server.script([wrong, wrong])
    asked = await say(hass, "turn on the kitchen light")
    assert speech(asked) == "Did you mean Kitchen Light?"
    assert not is_on(hass, "light.kitchen_light")
    await say(hass, "yes", conversation_id=asked.conversation_id)
    assert is_on(hass, "light.kitchen_light")
    assert not is_on(hass, "light.bedroom_light")


async def test_another_area_was_named(hass: HomeAssistant, server: ChatServer) -> None:
    """A call on all lamps of an area is held against the area that was named; with none named, nothing is doubted."""
    await set_up(hass, server)
    for entity_id, name in (("light.kitchen_light", "Kitchen"), ("light.bedroom_light", "Bedroom")):
        area = ar.async_get(hass).async_create(name)
        er.async_get(hass).async_update_entity(entity_id, area_id=area.id)
    wrong = answer(call("HassTurnOn", {"area": "Bedroom", "domain": ["light"]}), finish="tool_calls")
    server.script([wrong, answer("I cannot.")])
    assert speech(await say(hass, "lights on in the kitchen")) == "I cannot."
    assert not is_on(hass, "light.bedroom_light")
    server.script([wrong, answer("Sleep well.")])
    assert speech(await say(hass, "it is dark in here")) == "Sleep well."
    assert is_on(hass, "light.bedroom_light")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "I found nothing that fits Cellar Light."),
        ("de", "Ich habe nichts gefunden, das zu Cellar Light passt."),
    ],
)
async def test_what_does_not_exist(hass: HomeAssistant, server: ChatServer, language: str, said: str) -> None:
    """A model that insists on a device that is not there ends with a sentence in the speaker's language."""
    await set_up(hass, server)
    wrong = answer(call("HassTurnOn", {"name": "Cellar Light"}), finish="tool_calls")
    server.script([wrong, wrong])
    assert speech(await say(hass, "hm", language=language)) == said
    assert len(server.requests) == 2


async def test_what_there_is_twice(hass: HomeAssistant, server: ChatServer) -> None:
    """Where several devices have a name, the speaker is told so."""
    await set_up(hass, server)
    for entity_id in ("light.twin_1", "light.twin_2"):
        hass.states.async_set(entity_id, "off", {"friendly_name": "Twin"})
        async_expose_entity(hass, "conversation", entity_id, should_expose=True)
    wrong = answer(call("HassTurnOn", {"name": "Twin"}), finish="tool_calls")
    server.script([wrong, wrong])
    assert speech(await say(hass, "turn on the twin")) == "More than one thing is called Twin. Say which one you mean."


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


async def test_several_apis_at_once(hass: HomeAssistant, server: ChatServer) -> None:
    """A door is asked about also where Home Assistant puts the tools of several APIs together."""
    llm.async_register_api(hass, BrokenAPI(hass=hass, id="broken", name="Broken"))
    await set_up(hass, server, llm_hass_api=["assist", "broken"])
    calls = async_mock_service(hass, "lock", "unlock")
    server.script([answer(call("HassTurnOff", {"name": "Front Door"}), finish="tool_calls")])
    result = await say(hass, "open the front door")
    assert speech(result) == "Shall I unlock the Front Door?"
    assert calls == []
    await say(hass, "yes", conversation_id=result.conversation_id)
    assert len(calls) == 1


async def test_sentences_of_the_users_own(hass: HomeAssistant, server: ChatServer) -> None:
    """What the user has written for an intent is a routine, whatever it does."""
    ran = async_mock_service(hass, "test", "ran")
    script = {"GoodNight": {"description": "Says good night", "action": {"action": "test.ran"}}}
    assert await async_setup_component(hass, "intent_script", {"intent_script": script})
    await set_up(hass, server, confirm=["routine"])
    server.script([answer(call("GoodNight", {}), finish="tool_calls")])
    result = await say(hass, "good night")
    assert speech(result).startswith("Shall I run ")
    assert ran == []
    await say(hass, "yes", conversation_id=result.conversation_id)
    await hass.async_block_till_done()
    assert len(ran) == 1


@pytest.mark.parametrize("arguments", [{}, {"name": ["Kitchen Light"]}])
async def test_arguments_that_an_intent_refuses(
    hass: HomeAssistant, server: ChatServer, arguments: dict[str, Any]
) -> None:
    """The model is told what is wrong with a call on nothing, or on a list, and may try again."""
    await set_up(hass, server)
    right = answer(call("HassTurnOn", {"name": "Kitchen Light"}), finish="tool_calls")
    server.script([answer(call("HassTurnOn", arguments), finish="tool_calls"), right, answer("It is on.")])
    assert speech(await say(hass, "turn on the kitchen light")) == "It is on."
    assert is_on(hass, "light.kitchen_light")
    assert '"error":true' in server.requests[1]["messages"][-1]["content"]


async def test_one_call_on_all_sorts_of_things(hass: HomeAssistant, server: ChatServer) -> None:
    """What a call names by area alone may be of any kind, and is not held against the name of one of them."""
    await set_up(hass, server)
    kitchen = ar.async_get(hass).async_create("Kitchen")
    for entity_id in ("light.kitchen_light", "switch.pump"):
        er.async_get(hass).async_update_entity(entity_id, area_id=kitchen.id)
    server.script([answer(call("HassTurnOff", {"area": "Kitchen"}), finish="tool_calls"), answer("Off.")])
    await hass.services.async_call("light", "turn_on", KITCHEN, blocking=True)
    assert speech(await say(hass, "turn off everything in the kitchen")) == "Off."
    assert not is_on(hass, "light.kitchen_light")
