"""Conversations in home mode: what is sent, what is done, what is said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import conversation
from homeassistant.components.conversation import ConversationResult
from homeassistant.components.conversation.agent_manager import async_get_agent
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Context, Event, HomeAssistant, ServiceCall
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import chat_session
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from custom_components.home_llm import home_services
from custom_components.home_llm.const import MAX_HISTORY_TURNS, MAX_TOOL_ITERATIONS
from custom_components.home_llm.home_format import DEFAULT_INSTRUCTIONS
from tests.integration.chat_server import Answer, ChatServer, answer, call, chunk, error
from tests.integration.conftest import make_entry

pytestmark = pytest.mark.usefixtures("house")

AGENT = "conversation.al"
KITCHEN = {"entity_id": "light.kitchen_light"}


async def say(
    hass: HomeAssistant, text: str = "turn on the kitchen light", language: str = "en", **kwargs: Any
) -> ConversationResult:
    """Say something to the agent."""
    return await conversation.async_converse(
        hass,
        text,
        kwargs.pop("conversation_id", None),
        kwargs.pop("context", Context()),
        language=language,
        agent_id=AGENT,
        **kwargs,
    )


def speech(result: ConversationResult) -> str:
    """Return what was said."""
    return str(result.response.speech["plain"]["speech"])


def is_on(hass: HomeAssistant, entity_id: str) -> bool:
    """Return whether a lamp is on."""
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state == "on"


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
        "Services: light.turn_on, light.turn_off, switch.turn_on, switch.turn_off\n"
        "Devices:\n"
        "light.attic_light 'Attic Light' = unavailable\n"
        "light.bedroom_light 'Bedroom Light' = off\n"
        "light.kitchen_light 'Kitchen Light' = off\n"
        "sensor.outside 'Outside Temperature' = 12.5 °C\n"
        "switch.pump 'Pump' = off",
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


async def test_a_template_that_fails(hass: HomeAssistant, server: ChatServer) -> None:
    """The server is not asked with broken instructions."""
    entry = make_entry(server, prompt="{{ 1 / 0 }}")
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    result = await say(hass)
    assert result.response.error_code is not None
    assert server.requests == []


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
    await say(hass)
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
    assert speech(await say(hass)) == "Both are on."
    assert sorted(done) == ["light.bedroom_light", "light.kitchen_light"]


async def test_a_call_without_a_word(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """The house confirms by itself, in the speaker's language, and does not ask the model again."""
    for language, word in (("en", "Done."), ("de-CH", "Erledigt."), ("pl", "Gotowe."), ("xx", "Done.")):
        server.script([answer(call("light.turn_on", KITCHEN), "\n", finish="tool_calls")])
        assert speech(await say(hass, language=language)) == word
    assert len(server.requests) == 4


async def test_a_question(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Text alone is said, and a question keeps the conversation open."""
    server.script([answer("Which ", "light?")])
    result = await say(hass)
    assert speech(result) == "Which light?"
    assert result.continue_conversation


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


@pytest.mark.parametrize("entity_id", ["light.safe_light", "light.unknown", "all", "", None, ["light.kitchen_light"]])
async def test_what_is_not_exposed_is_out_of_reach(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, entity_id: Any
) -> None:
    """A server without a grammar could ask for anything; the executor refuses in the speaker's words."""
    calls = async_mock_service(hass, "light", "turn_on")
    bad = call("light.turn_on", {"entity_id": entity_id})
    server.script([answer(bad, "Opening the safe."), answer(bad, "Opening the safe.")])
    result = await say(hass, language="de")
    assert speech(result).startswith("Ich habe keinen Zugriff auf ")
    assert calls == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("homeassistant.restart", {}),
        ("shell_command.run", {}),
        ("light.toggle", KITCHEN),
        ("lock.unlock", KITCHEN),
        ("light.turn_on", {**KITCHEN, "brightness": 400}),
        ("light.turn_on", {**KITCHEN, "area_id": "all"}),
        ("light.turn_on", {"entity_id": "light.attic_light"}),
        ("light.turn_on", {}),
    ],
)
async def test_calls_that_make_no_sense(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, name: str, arguments: dict[str, Any]
) -> None:
    """Unknown services, wrong domains, impossible values and absent devices change nothing and are said."""
    called: list[Event[Any]] = []
    hass.bus.async_listen("call_service", called.append)
    server.script([answer(call(name, arguments), "Ok."), answer(call(name, arguments), "Ok.")])
    result = await say(hass)
    assert result.response.error_code is not None
    assert speech(result) not in ("", "Ok.")
    assert called == []
    # The error was fed back once, and the same wrong call was not tried for ever.
    assert len(server.requests) == 2


async def test_a_call_that_is_corrected(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """The claim of a failed call is dropped, the error is fed back, and the second try counts."""
    server.script(
        [
            answer(
                call("light.turn_on", {"entity_id": "light.safe_light"}, call_id="one"),
                "Turning on the safe.",
            ),
            answer(call("light.turn_on", KITCHEN, call_id="two"), "Turning on the Kitchen Light."),
        ]
    )
    result = await say(hass)
    assert speech(result) == "Turning on the Kitchen Light."
    assert is_on(hass, "light.kitchen_light")
    assert not is_on(hass, "light.safe_light")
    assistant, tool = server.requests[1]["messages"][-2:]
    assert assistant["content"] is None
    assert assistant["tool_calls"] == [
        {
            "id": "one",
            "type": "function",
            "function": {"name": "light.turn_on", "arguments": '{"entity_id":"light.safe_light"}'},
        }
    ]
    assert tool == {
        "role": "tool",
        "tool_call_id": "one",
        "content": '{"data":{"error":"I have no access to light.safe_light."},"error":true}',
    }


@pytest.mark.parametrize(
    ("service", "message"),
    [("switch.turn_on", "Zigbee device is not reachable"), ("switch.turn_off", "list index out of range")],
)
async def test_a_device_that_fails(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, service: str, message: str
) -> None:
    """What a device's integration raises is said, be it an honest failure or a bug."""
    bad = call(service, {"entity_id": "switch.pump"})
    server.script([answer(bad, "Ok."), answer(bad, "Ok.")])
    assert speech(await say(hass)) == f"Pump did not do that: {message}"


@pytest.mark.parametrize(
    "claim",
    [
        "Ok, it is on.",
        chunk({"reasoning_content": "hm"}),
        "",
        b"".join([chunk({"reasoning": "hm"}), chunk({"content": "x"})]),
    ],
)
async def test_a_model_that_talks_away_a_failure(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, claim: str | bytes
) -> None:
    """After a failed call only another call counts: otherwise the error is said, and not what the model makes of it."""
    server.script([answer(call("switch.turn_on", {"entity_id": "switch.pump"}), "Ok."), answer(claim)])
    result = await say(hass)
    assert speech(result) == "Pump did not do that: Zigbee device is not reachable"
    assert len(server.requests) == 2


async def test_a_slow_device_does_not_hold_up_the_answer(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that takes long goes on while the assistant answers."""
    monkeypatch.setattr(home_services, "SERVICE_TIMEOUT", 0.05)
    finish, finished = asyncio.Event(), asyncio.Event()

    async def slow(_call: ServiceCall) -> None:
        await finish.wait()
        finished.set()

    hass.services.async_register("light", "turn_on", slow)
    server.script([answer(call("light.turn_on", KITCHEN), "On it.")])
    assert speech(await say(hass)) == "On it."
    finish.set()
    await hass.async_block_till_done()
    assert finished.is_set()


async def test_a_model_that_never_stops(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Ever new wrong calls end after ten rounds."""
    server.script(answer(call("light.turn_on", {"entity_id": f"light.no_{number}"})) for number in range(20))
    assert speech(await say(hass)) == "I tried several times and did not come to an end."
    assert len(server.requests) == MAX_TOOL_ITERATIONS


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
    """Only the last turns are sent, the current one among them."""
    server.script(answer(f"Answer {number}.") for number in range(15))
    conversation_id = None
    for number in range(15):
        result = await say(hass, f"Question {number}", conversation_id=conversation_id)
        conversation_id = result.conversation_id
    asked = [
        message["content"]
        for message in server.requests[-1]["messages"]
        if message["role"] == "user" and message["content"].startswith("Question")
    ]
    assert asked == [f"Question {number}" for number in range(15 - MAX_HISTORY_TURNS, 15)]


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


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (answer(), "Das Modell hat keine Antwort gegeben."),
        (answer(finish="length"), "Das Modell hat keine Antwort gegeben."),
        (answer(chunk({"reasoning_content": "hmm"})), "Das Modell hat keine Antwort gegeben."),
        (error(503, "Downloading (43 %)"), "Der Home-LLM-Server ist noch nicht bereit: Downloading (43 %)"),
        (
            error(400, "too long"),
            "Der Home-LLM-Server hat eine Antwort gegeben, die ich nicht verwenden kann: too long",
        ),
        (error(401, "no"), "Der Home-LLM-Server nimmt meinen API-Schlüssel nicht an: no"),
        (
            Answer([chunk({"content": "Turning"})], cut=True),
            "Ich erreiche den Home-LLM-Server nicht: ",
        ),
    ],
)
async def test_errors_are_said_in_the_speakers_language(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, script: Answer, said: str
) -> None:
    """Whatever goes wrong ends in a sentence; the lost turn is forgotten and the next one works."""
    server.script([script, answer("Hallo.")])
    result = await say(hass, language="de")
    assert result.response.error_code is not None
    assert speech(result).startswith(said)
    result = await say(hass, "noch da?", language="de", conversation_id=result.conversation_id)
    assert speech(result) == "Hallo."


async def test_an_error_after_an_action_keeps_the_history_whole(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """A turn that did something and then failed ends with the error, so that the next turn can follow."""
    server.script(
        [
            answer(call("light.turn_on", {"entity_id": "light.safe_light"}), "Ok."),
            error(500, "boom"),
            answer("Hello."),
        ]
    )
    result = await say(hass)
    assert result.response.error_code is not None
    await say(hass, "hello", conversation_id=result.conversation_id)
    roles = [message["role"] for message in server.requests[-1]["messages"][-5:]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


async def test_a_server_that_is_gone_makes_the_agent_unavailable(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """A conversation that finds no server does not wait for the next poll to tell."""
    await server.stop()
    result = await say(hass)
    assert speech(result).startswith("I cannot reach the Home LLM server")
    await hass.async_block_till_done()
    state = hass.states.get(AGENT)
    assert state is not None
    assert state.state == STATE_UNAVAILABLE


async def test_a_key_that_is_refused_in_a_conversation(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """A refused key asks for the new one."""
    server.api_key = "changed"
    await say(hass)
    await hass.async_block_till_done()
    assert [flow["context"]["source"] for flow in hass.config_entries.flow.async_progress()] == ["reauth"]


async def test_home_services_on_another_server(hass: HomeAssistant, server: ChatServer) -> None:
    """The agent says what to do, and asks nothing of a server that would not understand."""
    server.owned_by = "user"
    entry = make_entry(server)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    result = await say(hass)
    assert speech(result) == "Home services need a Home LLM server. Set this agent to Assist in its settings."
    assert server.requests == []


async def test_the_sentence_is_streamed(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """What a voice pipeline hears comes piece by piece, and never before the calls have succeeded."""
    deltas: list[dict[str, Any]] = []
    states: list[bool] = []

    def listen(_log: conversation.ChatLog, delta: dict[str, Any]) -> None:
        deltas.append(delta)
        if delta.get("content"):
            states.append(is_on(hass, "light.kitchen_light"))

    server.script([answer(call("light.turn_on", KITCHEN), "\nIt ", "is on.")])
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
        chat_session.async_get_chat_session(hass, None) as session,
        conversation.async_get_chat_log(hass, session, user_input, chat_log_delta_listener=listen) as log,
    ):
        await agent._async_handle_message(user_input, log)
    assert [delta["content"] for delta in deltas if delta.get("role") is None and "content" in delta] == [
        "It ",
        "is on.",
    ]
    assert states == [True, True]
