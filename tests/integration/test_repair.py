"""Calls that are none, answers without end, and turns that take too long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm import deadline
from custom_components.home_llm.runaway import MAX_CALLS, Runaway
from tests.integration.chat_server import Answer, ChatServer, answer, call, chunk
from tests.integration.conftest import make_entry
from tests.integration.conversing import KITCHEN, is_on, say, speech

pytestmark = pytest.mark.usefixtures("house")


async def with_assist(hass: HomeAssistant, server: ChatServer, **agent: Any) -> None:
    """Set up an agent with Assist."""
    entry = make_entry(server, tool_mode="assist", **{"llm_hass_api": ["assist"], **agent})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


def broken(name: str, text: str) -> bytes:
    """Return a chunk with a call whose arguments are any text."""
    function = {"name": name, "arguments": text}
    return chunk({"tool_calls": [{"index": 0, "id": "one", "type": "function", "function": function}]})


async def test_broken_json_is_repaired_once(hass: HomeAssistant, server: ChatServer) -> None:
    """The model sees what was wrong with its call, and its second try counts."""
    await with_assist(hass, server)
    server.script(
        [
            answer(broken("HassTurnOn", '{"name": "Kitchen Light"'), finish="tool_calls"),
            answer(call("HassTurnOn", {"name": "Kitchen Light"}), finish="tool_calls"),
            answer("It is on."),
        ]
    )
    assert speech(await say(hass)) == "It is on."
    assert is_on(hass, "light.kitchen_light")
    assistant, tool = server.requests[1]["messages"][-2:]
    assert assistant["tool_calls"][0]["function"] == {"name": "HassTurnOn", "arguments": "{}"}
    assert "not JSON" in tool["content"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (broken("HassTurnOn", "{"), "Das Modell hat einen Aufruf gemacht, der nicht zu lesen ist."),
        (call("Explode", {"what": "all"}), "Ich kann Explode nicht."),
    ],
)
async def test_what_stays_wrong_is_said(hass: HomeAssistant, server: ChatServer, bad: bytes, said: str) -> None:
    """The same wrong call twice ends the turn with a sentence in the speaker's language."""
    await with_assist(hass, server)
    server.script([answer(bad, finish="tool_calls")] * 5)
    assert speech(await say(hass, language="de")) == said
    assert len(server.requests) == 2


async def test_a_model_without_tools_that_calls_some(hass: HomeAssistant, server: ChatServer) -> None:
    """Who can only talk cannot call, and what it says still counts."""
    await with_assist(hass, server, llm_hass_api=[])
    server.script([answer(call("HassTurnOn", {"name": "Kitchen Light"}), "Hello."), answer(call("x", {}))])
    assert speech(await say(hass)) == "Hello."
    assert speech(await say(hass)) == "The model gave no answer."
    assert not is_on(hass, "light.kitchen_light")


async def test_an_unknown_home_service(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """A service that is not in the catalogue is refused in the speaker's language."""
    server.script([answer(call("shell_command.run", {"cmd": "reboot"}), "Ok.")] * 2)
    assert speech(await say(hass, language="fr")) == "Je ne sais pas faire shell_command.run."


@pytest.mark.parametrize("mode", ["home", "assist"])
async def test_a_model_that_babbles(hass: HomeAssistant, server: ChatServer, mode: str) -> None:
    """A model that says the same for ever is cut off, and the server need not go on."""
    entry = make_entry(server, tool_mode=mode, llm_hass_api=["assist"])
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    babble = chunk({"content": "The light is on. "})
    server.script([Answer([chunk({"role": "assistant"}), *[babble] * 200], hang=True), answer("Hi.")])
    result = await say(hass)
    assert 100 < len(speech(result)) < 1000
    async with asyncio.timeout(5):
        await server.aborted.wait()
    assert speech(await say(hass, "hello", conversation_id=result.conversation_id)) == "Hi."


async def test_calls_without_end(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Of calls without end the first ones are made, and no more."""
    calls: list[Any] = []
    hass.bus.async_listen("call_service", lambda event: calls.append(event.data))
    many = [call("light.turn_on", {**KITCHEN, "brightness": number}, number) for number in range(1, 60)]
    server.script([answer(*many, finish="tool_calls")])
    assert speech(await say(hass)) == "Done."
    await hass.async_block_till_done()
    assert len(calls) == MAX_CALLS


async def test_parallel_calls_of_assist(hass: HomeAssistant, server: ChatServer) -> None:
    """Several calls in one answer are all made, right ones beside a wrong one."""
    await with_assist(hass, server)
    server.script(
        [
            answer(
                call("HassTurnOn", {"name": "Kitchen Light"}, 0),
                call("Nothing", {}, 1),
                call("HassTurnOn", {"name": "Bedroom Light"}, 2),
                finish="tool_calls",
            ),
            answer("Two of three."),
        ]
    )
    said = "turn on the kitchen light and the bedroom light"
    assert speech(await say(hass, said)) == "Two of three."
    assert is_on(hass, "light.kitchen_light")
    assert is_on(hass, "light.bedroom_light")


async def test_a_turn_that_takes_too_long(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that never ends its answer is left, and the user is told."""
    monkeypatch.setattr(deadline, "TURN_SECONDS", 0.2)
    server.script([Answer([chunk({"role": "assistant"})], hang=True), answer("Hi.")])
    result = await say(hass)
    assert speech(result) == "That took too long. I stopped trying."
    async with asyncio.timeout(5):
        await server.aborted.wait()
    assert speech(await say(hass, "hello", conversation_id=result.conversation_id)) == "Hi."


@pytest.mark.parametrize(
    ("text", "runs_away"),
    [
        ("no " * 40, True),
        ("a" * 100, True),
        ("I turn it on now. " * 8, True),
        ("The lamp is on. " * 3, False),
        ("One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen.", False),
        (" ".join(f"Lamp {number} is on." for number in range(30)), False),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_runaway(text: str, runs_away: bool, size: int) -> None:
    """Repetition is noticed however the text is cut, and a list is none."""
    watch = Runaway()
    noticed = [watch.says(text[start : start + size]) for start in range(0, len(text), size)]
    assert any(noticed) is runs_away
