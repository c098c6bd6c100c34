"""Conversations in home mode that go wrong: in the model, in the house, on the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Event, HomeAssistant, ServiceCall
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from custom_components.home_llm import actions
from custom_components.home_llm.const import MAX_TOOL_ITERATIONS
from tests.integration.chat_server import Answer, ChatServer, answer, call, chunk, error
from tests.integration.conftest import make_entry
from tests.integration.conversing import AGENT, KITCHEN, is_on, say, speech

pytestmark = pytest.mark.usefixtures("house")


async def test_a_template_that_fails(hass: HomeAssistant, server: ChatServer) -> None:
    """The server is not asked with broken instructions."""
    entry = make_entry(server, prompt="{{ 1 / 0 }}")
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    result = await say(hass)
    assert result.response.error_code is not None
    assert server.requests == []


@pytest.mark.parametrize("entity_id", ["light.safe_light", "light.unknown", "light.all", "", None, ["all"]])
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
    assert speech(await say(hass, "use the pump")) == f"Pump did not do that: {message}"


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
    result = await say(hass, "turn on the pump")
    assert speech(result) == "Pump did not do that: Zigbee device is not reachable"
    assert len(server.requests) == 2


async def test_a_slow_device_does_not_hold_up_the_answer(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that takes long goes on while the assistant answers."""
    monkeypatch.setattr(actions, "SERVICE_TIMEOUT", 0.05)
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
