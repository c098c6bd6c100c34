"""Models that were trained to control a house: which they are, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import async_mock_service

from custom_components.home_llm.home_format import NO_DEVICES_PROMPT
from custom_components.home_llm.older_format import build_older_tools, in_our_units, render_older_house
from custom_components.home_llm.service_catalogue import Device, Group
from custom_components.home_llm.trained import Dialect, Training, dialect_of, is_tuned
from tests.integration.chat_server import ChatServer, answer, call
from tests.integration.conftest import make_entry
from tests.integration.conversing import KITCHEN, is_on, say, speech

AL = (
    "You are 'Al', a helpful AI Assistant that controls the devices in a house. Complete the following task as "
    "instructed with the information provided only.\n"
)
DEN = (Group("area.den", ("Den",)),)
HOUSE = [
    Device(
        "light.den",
        "Den Lamp",
        "on",
        {"supported_color_modes": ["hs"], "brightness": 178},
        names=("Den Lamp", "Desk"),
        groups=DEN,
    ),
    Device("switch.pump", "Pump", "off", groups=DEN),
    Device("climate.den", "Thermostat", "heat", {"supported_features": 1, "hvac_modes": ["heat"], "temperature": 21.5}),
    Device("button.bell", "Bell", "2026-11-20T06:00:00"),
    Device("sensor.out", "Outside", "12"),
]


@pytest.mark.parametrize(
    ("model", "training", "tuned", "dialect"),
    [
        ("home-135m", "auto", True, "home"),
        ("Home-135M", "auto", True, "home"),
        ("home-0.5b", "auto", True, "home"),
        ("home-llm/Home-0.5B-v2-Q4_K_M.gguf", "auto", True, "home"),
        ("home-135m:latest", "auto", True, "home"),
        ("acon96/Home-3B-v3-GGUF", "auto", True, "home-json"),
        ("Home-1B-v3.q4_k_m.gguf", "auto", True, "home-json"),
        ("home-llama-3.2-3b", "auto", True, "home-json"),
        ("tinyhome-polish", "auto", True, "home-json"),
        ("stablehome-multilingual", "auto", True, "home-json"),
        ("home-1b-v1", "auto", True, "home-json"),
        ("home-3b-v1", "auto", True, "home-block"),
        ("home-3b-v10", "auto", True, "home-json"),
        ("home-functiongemma-270m", "auto", True, "home"),
        ("qwen3-4b", "auto", False, "home"),
        ("home-assistant-qwen-0.5b", "auto", False, "home"),
        ("smarthome-135m", "auto", False, "home"),
        ("embedded", "auto", False, "home"),
        (None, "auto", False, "home"),
        ("qwen3-4b", "tuned", True, "home"),
        ("Home-3B-v3", "tuned", True, "home-json"),
        ("home-3b-v3", "untuned", False, "home"),
    ],
)
def test_which_models_are_trained(model: str | None, training: str, tuned: bool, dialect: str) -> None:
    """Models are known by their names, and the user can say otherwise."""
    assert is_tuned(Training(training), model) is tuned
    assert dialect_of(Training(training), model) == dialect


async def ask_of(hass: HomeAssistant, server: ChatServer, model: str, *answers: Any) -> dict[str, Any]:
    """Let a server have one model, say something, and return what it was asked."""
    server.models = [{"id": model, "owned_by": "home-llm"}]
    entry = make_entry(server)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    server.script(list(answers) or [answer("Hi.")])
    await say(hass)
    return server.requests[-1]


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize("model", ["home-135m", "Home-0.5B"])
async def test_our_models_get_our_format_alone(hass: HomeAssistant, server: ChatServer, model: str) -> None:
    """Our own models know the compact format, so that they get no examples."""
    request = await ask_of(hass, server, model)
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert request["messages"][0]["content"].startswith(f"{AL}Services: light.turn_on, ")
    assert "\nAreas: all\nDevices:\n" in request["messages"][0]["content"]
    assert request["home_llm"] == {"tool_markup": "home", "render_tools": False}


@pytest.mark.usefixtures("house")
async def test_older_models_get_the_prompt_of_their_training(hass: HomeAssistant, server: ChatServer) -> None:
    """Services with their arguments, single devices, JSON calls; and brightness in their own unit."""
    first = answer("Setting the light.", call("light.turn_on", {**KITCHEN, "brightness": 0.4}))
    request = await ask_of(hass, server, "Home-3B-v3", first)
    assert request["messages"] == [
        {
            "role": "system",
            "content": f"{AL}Services: light.turn_on(brightness), light.turn_off(), switch.turn_on(), "
            "switch.turn_off()\n"
            "Devices:\n"
            "light.attic_light 'Attic Light' = unavailable\n"
            "light.bedroom_light 'Bedroom Light' = off\n"
            "light.kitchen_light 'Kitchen Light' = off\n"
            "switch.pump 'Pump' = off\n"
            "sensor.outside 'Outside Temperature' = 12.5",
        },
        {"role": "user", "content": "turn on the kitchen light"},
    ]
    assert request["home_llm"] == {"tool_markup": "home-json", "render_tools": False}
    state = hass.states.get("light.kitchen_light")
    assert state is not None
    assert state.attributes["brightness"] == 102


@pytest.mark.usefixtures("house")
async def test_what_older_models_say_before_they_act_waits(hass: HomeAssistant, server: ChatServer) -> None:
    """They claim success first; the claim is spoken when it is true, and dropped when it is not."""
    await ask_of(hass, server, "Home-3B-v3")
    server.script([answer("Turning it on.", call("light.turn_on", KITCHEN))])
    assert speech(await say(hass)) == "Turning it on."
    assert is_on(hass, "light.kitchen_light")
    server.script([answer("Turning it on.", call("light.turn_on", {"entity_id": "light.safe_light"}))] * 2)
    assert speech(await say(hass, "open the safe")) == "I have no access to light.safe_light."


@pytest.mark.usefixtures("house")
async def test_the_first_generation(hass: HomeAssistant, server: ChatServer) -> None:
    """Its services have no arguments."""
    calls = async_mock_service(hass, "light", "turn_on")
    request = await ask_of(hass, server, "home-3b-v1", answer("On.", call("light.turn_on", KITCHEN)))
    assert f"{AL}Services: light.turn_on, light.turn_off, switch.turn_on, switch.turn_off\nDevices:\n" in str(
        request["messages"][0]["content"]
    )
    assert request["home_llm"]["tool_markup"] == "home-block"
    assert [made.data for made in calls] == [KITCHEN]


def test_the_lines_of_older_models() -> None:
    """A line for each name, values without names, and no groups."""
    assert render_older_house(HOUSE, [], Dialect.JSON).splitlines() == [
        (
            "Services: light.turn_on(brightness), light.turn_off(), switch.turn_on(), switch.turn_off(), "
            "climate.set_temperature(temperature), climate.set_hvac_mode(hvac_mode), button.press()"
        ),
        "Devices:",
        "button.bell 'Bell' = unknown",
        "light.den 'Den Lamp' = on;70%",
        "light.den 'Desk' = on;70%",
        "switch.pump 'Pump' = off",
        "climate.den 'Thermostat' = heat;21.5",
        "sensor.out 'Outside' = 12",
    ]
    block = render_older_house(HOUSE[:3], [], Dialect.BLOCK).splitlines()
    assert block[0] == "Services: light.turn_on, light.turn_off, switch.turn_on, switch.turn_off"
    assert block[2] == "light.den 'Den Lamp' = on"
    assert render_older_house([], [], Dialect.JSON) == NO_DEVICES_PROMPT
    assert render_older_house(HOUSE[-1:], [], Dialect.JSON) == "Devices:\nsensor.out 'Outside' = 12"


def test_the_tools_of_older_models() -> None:
    """Devices and no groups, brightness as a part of 1, and no argument that the models have not seen."""
    tools = {
        tool["function"]["name"]: tool["function"]["parameters"] for tool in build_older_tools(HOUSE, Dialect.JSON)
    }
    assert "homeassistant.turn_off" not in tools
    assert tools["light.turn_on"]["properties"]["entity_id"]["enum"] == ["light.den"]
    assert list(tools["light.turn_on"]["properties"]) == ["entity_id", "brightness"]
    assert tools["light.turn_on"]["properties"]["brightness"]["maximum"] == 1
    assert "dependentSchemas" not in tools["light.turn_on"]
    assert tools["climate.set_temperature"]["required"] == ["entity_id", "temperature"]
    block = [tool["function"]["name"] for tool in build_older_tools(HOUSE, Dialect.BLOCK)]
    assert "climate.set_temperature" not in block


@pytest.mark.parametrize(
    ("given", "percent"), [(0.4, 40), (1, 100), (0, 0), (0.005, 0), (70, 70), (True, True), ("x", "x")]
)
def test_units(given: Any, percent: Any) -> None:
    """A part of 1 becomes percent, and what is none is left for the check to refuse."""
    assert in_our_units({"brightness": given, "entity_id": "light.a"}) == {
        "brightness": percent,
        "entity_id": "light.a",
    }
