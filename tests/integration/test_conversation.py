"""Conversations in home mode: what is sent, what is done, what is said."""

from __future__ import annotations

from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import conversation
from homeassistant.components.conversation.agent_manager import async_get_agent
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Context, Event, HomeAssistant, ServiceCall
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from custom_components.home_llm.const import DEFAULT_HISTORY_TURNS
from custom_components.home_llm.home_format import DEFAULT_INSTRUCTIONS
from custom_components.home_llm.sessions import async_session
from tests.integration.chat_server import ChatServer, answer, call, chunk
from tests.integration.conftest import make_entry
from tests.integration.conversing import AGENT, KITCHEN, is_on, say, speech

pytestmark = pytest.mark.usefixtures("house")


async def test_a_command(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """The prompt is the house, the call is carried out, and the model's sentence is said."""
    server.script([answer(call("light.turn_on", KITCHEN), "\nTurning on ", "the Kitchen Light.")])
    result = await say(hass)
    assert speech(result) == "Turning on the Kitchen Light."
    assert result.response.error_code is None
    assert is_on(hass, "light.kitchen_light")

    request = server.requests[0]
    assert request["messages"][0] == {
        "role": "system",
        "content": f"{DEFAULT_INSTRUCTIONS}\n"
        "Services: light.turn_on, light.turn_off, switch.turn_on, switch.turn_off, homeassistant.turn_off\n"
        "Areas: all\n"
        "Devices:\n"
        "light.attic_light 'Attic Light' = unavailable\n"
        "light.bedroom_light 'Bedroom Light' = off\n"
        "light.kitchen_light 'Kitchen Light' = off\n"
        "switch.pump 'Pump' = off\n"
        "sensor.outside 'Outside Temperature' = 12.5 °C",
    }
    assert request["messages"][1:5] == [
        {"role": "user", "content": "what is the Outside Temperature?"},
        {"role": "assistant", "content": "The Outside Temperature is 12.5 °C."},
        {"role": "user", "content": "set the Kitchen Light to 40 percent"},
        {
            "role": "assistant",
            "content": "light.turn_on(light.kitchen_light, brightness=40)\nSetting the Kitchen Light to 40 percent.",
        },
    ]
    assert request["messages"][-1] == {"role": "user", "content": "turn on the kitchen light"}
    assert request["home_llm"] == {"tool_markup": "home", "render_tools": False}
    assert request["model"] == "embedded"
    assert request["temperature"] == 0
    assert request["max_tokens"] == 512
    assert [tool["function"]["name"] for tool in request["tools"]] == [
        "light.turn_on",
        "light.turn_off",
        "switch.turn_on",
        "switch.turn_off",
        "homeassistant.turn_off",
    ]
    assert "light.safe_light" not in str(request)


async def test_the_prompt_does_not_change_with_the_time(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, freezer: FrozenDateTimeFactory
) -> None:
    """Two requests for the same house begin with the same bytes, at whatever time they are made."""
    server.script([answer("Hi."), answer("Hi.")])
    await say(hass)
    freezer.tick(3600)
    await say(hass)
    first, second = server.requests
    assert first["messages"] == second["messages"]
    assert first["tools"] == second["tools"]


async def test_instructions_and_extra_prompt(hass: HomeAssistant, server: ChatServer) -> None:
    """Own instructions are rendered first, and what an automation adds comes last."""
    entry = make_entry(server, prompt="You are {{ 'Robo' }}.", model="other", max_tokens=64, temperature=0.5)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    server.script([answer("Beep.")])
    await say(hass, extra_system_prompt="The door bell rang.")
    request = server.requests[0]
    prompt = request["messages"][0]["content"]
    assert prompt.startswith("You are Robo.\nServices: ")
    assert prompt.endswith("\nThe door bell rang.")
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("other", 64, 0.5)


async def test_brightness_is_percent(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """40 is 40 percent of Home Assistant's 255, and 1 is one percent."""
    server.script([answer(call("light.turn_on", {**KITCHEN, "brightness": 40}), "Ok."), answer("Ok.")])
    await say(hass)
    state = hass.states.get("light.kitchen_light")
    assert state is not None
    assert state.attributes["brightness"] == 102
    await say(hass)
    assert "'Kitchen Light' = on;brightness=40\n" in server.requests[1]["messages"][0]["content"]


async def test_volume_is_percent(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """35 becomes a volume level of 0.35."""
    calls = async_mock_service(hass, "media_player", "volume_set")
    hass.states.async_set("media_player.tv", "on", {"friendly_name": "TV"})
    async_expose_entity(hass, "conversation", "media_player.tv", should_expose=True)
    server.script([answer(call("media_player.volume_set", {"entity_id": "media_player.tv", "volume": 35}), "Ok.")])
    await say(hass, "set the volume of the TV to 35")
    assert calls[0].data == {"entity_id": "media_player.tv", "volume_level": 0.35}


async def test_several_calls(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """All calls of an answer are carried out before its sentence, a repeated one once."""
    done: list[str] = []

    def on_call(event: Event[Any]) -> None:
        done.append(event.data["service_data"]["entity_id"])

    hass.bus.async_listen("call_service", on_call)
    bedroom = {"entity_id": "light.bedroom_light"}
    server.script(
        [
            answer(
                call("light.turn_on", KITCHEN, 0),
                call("light.turn_on", bedroom, 1),
                call("light.turn_on", KITCHEN, 2),
                "Both are on.",
            )
        ]
    )
    assert speech(await say(hass, "turn on the kitchen light and the bedroom light")) == "Both are on."
    assert sorted(done) == ["light.bedroom_light", "light.kitchen_light"]


async def test_a_call_without_a_word(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """The house confirms by itself, in the speaker's language, and does not ask the model again."""
    for language, word in (("en", "Done."), ("de-CH", "Erledigt."), ("pl", "Gotowe."), ("xx", "Done.")):
        server.script([answer(call("light.turn_on", KITCHEN), "\n", finish="tool_calls")])
        assert speech(await say(hass, language=language)) == word
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        (["Which ", "light?"], True),
        (["Which light? ", "🙂"], True),
        (["Which one? The kitchen or the bedroom."], True),
        (["It is on."], False),
    ],
)
async def test_a_question(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, words: list[str], asks: bool
) -> None:
    """Text alone is said, and a question keeps the conversation open."""
    server.script([answer(*words)])
    result = await say(hass)
    assert speech(result) == "".join(words)
    assert result.continue_conversation is asks


async def test_thoughts_in_the_text(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """A server that sends thoughts as text is understood as well, and they are kept in the log of the conversation."""
    server.script([answer("<thi", "nk>sec", "ret</th", "ink>\n\nIt is on.")])
    result = await say(hass)
    assert speech(result) == "It is on."


async def test_thinking_is_not_said(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Reasoning is kept apart, and is not sent back."""
    server.script([answer(chunk({"reasoning_content": "secret"}), "It is on."), answer("Yes.")])
    result = await say(hass)
    assert speech(result) == "It is on."
    await say(hass, conversation_id=result.conversation_id)
    assert "secret" not in str(server.requests[1])


async def test_what_the_speaker_may_do_goes_with_the_call(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """The context of the conversation is the context of the service call."""
    calls: list[ServiceCall] = async_mock_service(hass, "light", "turn_on")
    context = Context(user_id=None, parent_id="parent")
    server.script([answer(call("light.turn_on", KITCHEN), "Ok.")])
    await say(hass, context=context)
    assert calls[0].context is context
    assert calls[0].data == KITCHEN


async def test_history(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Later turns see what was said and done before, with the assistant's own sentences."""
    server.script([answer(call("light.turn_on", KITCHEN, call_id="one"), "Turning it on."), answer("You are welcome.")])
    result = await say(hass)
    await say(hass, "thanks", conversation_id=result.conversation_id)
    assert server.requests[1]["messages"][-5:] == [
        {"role": "user", "content": "turn on the kitchen light"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "one",
                    "type": "function",
                    "function": {"name": "light.turn_on", "arguments": '{"entity_id":"light.kitchen_light"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "one", "content": '{"data":{"result":"done"},"error":false}'},
        {"role": "assistant", "content": "Turning it on."},
        {"role": "user", "content": "thanks"},
    ]


async def test_long_history(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Only the last turns are sent, the current one among them, and the beginning stays for a few turns."""
    server.script(answer(f"Answer {number}.") for number in range(15))
    conversation_id = None
    for number in range(15):
        result = await say(hass, f"Question {number}", conversation_id=conversation_id)
        conversation_id = result.conversation_id
    asked = [
        [
            int(message["content"].split()[1])
            for message in request["messages"]
            if message["role"] == "user" and message["content"].startswith("Question")
        ]
        for request in server.requests
    ]
    assert all(turns == list(range(turns[0], number + 1)) for number, turns in enumerate(asked))
    assert max(map(len, asked)) == DEFAULT_HISTORY_TURNS + 1
    assert [turns[0] for turns in asked] == [0] * 11 + [6] * 4


async def test_history_fits_the_context(hass: HomeAssistant, server: ChatServer) -> None:
    """Long answers push out the turns before them, so that the prompt stays smaller than the context."""
    server.models = [{"id": "embedded", "owned_by": "home-llm", "meta": {"n_ctx": 1536}}]
    make_entry(server, max_tokens=128).add_to_hass(hass)
    await hass.config_entries.async_setup(hass.config_entries.async_entries("home_llm")[0].entry_id)
    server.script(answer("word " * 200) for _ in range(8))
    conversation_id = None
    for number in range(8):
        result = await say(hass, f"Question {number}", conversation_id=conversation_id)
        conversation_id = result.conversation_id
    for request in server.requests:
        assert sum(len(message["content"]) for message in request["messages"]) / 3 < 1536 - 128
    assert server.requests[-1]["messages"][-1]["content"] == "Question 7"


async def test_a_context_that_nobody_tells(hass: HomeAssistant, server: ChatServer) -> None:
    """Where the server does not tell its context, the conversation is limited by its turns alone."""
    server.models = [{"id": "embedded", "owned_by": "home-llm"}]
    make_entry(server).add_to_hass(hass)
    await hass.config_entries.async_setup(hass.config_entries.async_entries("home_llm")[0].entry_id)
    server.script(answer(f"{number} " + "word " * 300) for number in range(8))
    conversation_id = None
    for number in range(8):
        result = await say(hass, f"Question {number}", conversation_id=conversation_id)
        conversation_id = result.conversation_id
    assert all(f"Question {number}" in str(server.requests[-1]["messages"]) for number in range(8))


async def test_an_empty_answer_is_not_an_older_one(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """A turn without an answer says so, and does not repeat what was said before."""
    server.script([answer("First."), answer(), answer("Third.")])
    result = await say(hass, "one")
    second = await say(hass, "two", conversation_id=result.conversation_id)
    assert speech(second) == "The model gave no answer."
    assert speech(await say(hass, "three", conversation_id=result.conversation_id)) == "Third."
    assert [message["content"] for message in server.requests[-1]["messages"][-3:]] == ["one", "First.", "three"]


@pytest.mark.parametrize("turns", [0, 2])
async def test_how_much_is_remembered(hass: HomeAssistant, server: ChatServer, turns: int) -> None:
    """With nothing remembered, what is said now is still sent, together with the prompt."""
    make_entry(server, history_turns=turns, examples=0).add_to_hass(hass)
    await hass.config_entries.async_setup(hass.config_entries.async_entries("home_llm")[0].entry_id)
    server.script([answer("One."), answer("Two.")])
    result = await say(hass, "one")
    await say(hass, "two", conversation_id=result.conversation_id)
    assert [message["role"] for message in server.requests[1]["messages"]] == [
        "system",
        *(["user", "assistant"] if turns else []),
        "user",
    ]


async def test_names_and_areas(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """A device goes by the first of its names, and its area is told where the name does not tell it."""
    registry = er.async_get(hass)
    area = ar.async_get(hass).async_create("Garden")
    registry.async_update_entity("light.kitchen_light", name="Fairy's\nlamp", area_id=area.id)
    await hass.async_block_till_done()
    server.script([answer("Hi.")])
    await say(hass)
    prompt = server.requests[0]["messages"][0]["content"]
    assert "light.kitchen_light 'Fairy\u2019s lamp' = off;area=Garden\n" in prompt


async def test_a_house_with_nothing_exposed(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Without devices there are no tools, and the model is told why."""
    for state in hass.states.async_all():
        async_expose_entity(hass, "conversation", state.entity_id, should_expose=False)
    server.script([answer("Expose something.")])
    await say(hass)
    request = server.requests[0]
    assert "tools" not in request
    assert "home_llm" not in request
    assert "No devices are exposed" in request["messages"][0]["content"]


async def test_the_sentence_is_streamed(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """What a voice pipeline hears comes piece by piece, and never before the calls have succeeded."""
    deltas: list[dict[str, Any]] = []
    states: list[bool] = []

    def listen(_log: conversation.ChatLog, delta: dict[str, Any]) -> None:
        deltas.append(delta)
        if delta.get("content"):
            states.append(is_on(hass, "light.kitchen_light"))

    server.script([answer(call("light.turn_on", KITCHEN), "\nThe light ", "is on. And", " the fan is off.")])
    agent = async_get_agent(hass, AGENT)
    assert isinstance(agent, conversation.ConversationEntity)
    user_input = conversation.ConversationInput(
        text="turn on the kitchen light",
        context=Context(),
        conversation_id=None,
        device_id=None,
        satellite_id=None,
        language="en",
        agent_id=AGENT,
    )
    with (
        async_session(hass) as session,
        conversation.async_get_chat_log(hass, session, user_input, chat_log_delta_listener=listen) as log,
    ):
        await agent._async_handle_message(user_input, log)
    assert [delta["content"] for delta in deltas if delta.get("role") is None and "content" in delta] == [
        "The light is on. ",
        "And the fan is off.",
    ]
    assert states == [True, True]
