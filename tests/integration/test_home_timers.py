"""Timers of the satellite that was spoken to."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.components.intent import TimerEventType, TimerInfo, async_register_timer_handler
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm.service_types import duration_seconds
from tests.integration.chat_server import ChatServer, answer, call
from tests.integration.conversing import say, speech

Events = list[tuple[TimerEventType, TimerInfo]]


@pytest.fixture(name="satellite")
def satellite_fixture(hass: HomeAssistant, house: None) -> tuple[str, Events]:
    """Add a voice satellite with timers, and return its device and what happens to them."""
    owner = MockConfigEntry(domain="satellite")
    owner.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(config_entry_id=owner.entry_id, identifiers={("satellite", "1")})
    events: Events = []

    @callback
    def listen(event: TimerEventType, timer: TimerInfo) -> None:
        events.append((event, timer))

    async_register_timer_handler(hass, device.id, listen)
    return device.id, events


async def test_a_timer(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, satellite: tuple[str, Events]
) -> None:
    """A satellite starts and cancels its own timers."""
    device_id, events = satellite
    server.script(
        [
            answer(call("assist.start_timer", {"duration": "1 hour 5 minutes", "name": "bread"}), "It runs."),
            answer(call("assist.cancel_timer", {}), "Gone."),
            answer(call("assist.cancel_timer", {}), "Gone."),
            answer("Hm."),
        ]
    )
    assert speech(await say(hass, "timer for the bread", device_id=device_id)) == "It runs."
    assert [(event, timer.seconds, timer.name) for event, timer in events] == [(TimerEventType.STARTED, 3900, "bread")]
    prompt = server.requests[0]["messages"][0]["content"]
    assert "assist.start_timer, assist.cancel_timer, assist.cancel_all_timers\n" in prompt
    assert [tool["function"]["name"] for tool in server.requests[0]["tools"]][-3:] == [
        "assist.start_timer",
        "assist.cancel_timer",
        "assist.cancel_all_timers",
    ]
    assert speech(await say(hass, "stop the timer", device_id=device_id)) == "Gone."
    assert events[-1][0] is TimerEventType.CANCELLED
    result = await say(hass, "stop the timer", device_id=device_id)
    assert speech(result).startswith("The timer did not do that: ")


@pytest.mark.parametrize(
    "arguments",
    [{}, {"duration": "soon"}, {"duration": 5}, {"duration": "0 minutes"}, {"duration": "5 minutes", "volume": 3}],
)
async def test_timers_that_make_no_sense(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    server: ChatServer,
    satellite: tuple[str, Events],
    arguments: dict[str, Any],
) -> None:
    """A wrong duration is refused in words, and starts nothing."""
    device_id, events = satellite
    server.script([answer(call("assist.start_timer", arguments), "Ok.")] * 2)
    result = await say(hass, "timer", device_id=device_id)
    assert "is not a possible" in speech(result)
    assert events == []


async def test_who_has_no_timers(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, house: None) -> None:
    """In a browser there is nothing that could ring."""
    server.script([answer("Hi.")])
    await say(hass, "hello")
    assert "timer" not in str(server.requests[0])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5 minutes", 300),
        ("1 Minute", 60),
        ("1 hour  30 minutes", 5400),
        ("90 seconds", 90),
        ("5", None),
        ("minutes", None),
        ("5 minutes or so", None),
        ("5minutes", None),
        (None, None),
    ],
)
def test_durations(text: Any, seconds: int | None) -> None:
    """A duration is numbers with units, and nothing else."""
    assert duration_seconds(text) == seconds
