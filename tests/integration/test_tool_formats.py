"""How prompts describe tools."""

from __future__ import annotations

import json
from typing import Any

from custom_components.home_llm.home_format import build_tools
from custom_components.home_llm.service_catalogue import Device
from custom_components.home_llm.tool_formats import NO_TOOLS, ToolFormat, format_tools, formatted_tools

HOUSE = [
    Device("climate.hall", "Hall", "heat", {"supported_features": 1, "hvac_modes": ["off", "heat"]}),
    Device("light.kitchen", "Kitchen", "off", {"supported_color_modes": ["brightness"]}),
]
POSITION: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "HassSetPosition",
        "description": "Sets the position of a device",
        "parameters": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "domain": {"type": "array", "items": {"type": "string"}},
                "area": {"anyOf": [{"type": "null"}, {"type": "string"}]},
                "position": {"type": ["integer", "null"], "description": "Percent"},
                "mode": {"enum": ["a", "b"]},
            },
            "required": ["position"],
        },
    },
}


def test_minimal() -> None:
    """Names and arguments like a function of Python, without the entity, described where the name says too little."""
    tools = {text.partition("(")[0]: text for text in format_tools([*build_tools(HOUSE), POSITION], ToolFormat.MINIMAL)}
    assert tools["climate.set_hvac_mode"] == "climate.set_hvac_mode(hvac_mode)"
    assert tools["light.turn_on"] == "light.turn_on(brightness,brightness_step)"
    assert tools["light.turn_off"] == "light.turn_off()"
    assert tools["HassSetPosition"] == (
        "HassSetPosition(name,domain,area,position,mode) - Sets the position of a device"
    )
    assert formatted_tools(build_tools(HOUSE)[:2], ToolFormat.MINIMAL) == (
        "light.turn_on(brightness,brightness_step), light.turn_off()"
    )


def test_reduced() -> None:
    """Name, description, and each argument with the name of its type."""
    assert format_tools([POSITION], ToolFormat.REDUCED) == [
        {
            "name": "HassSetPosition",
            "description": "Sets the position of a device",
            "parameters": {
                "properties": {
                    "name": "string",
                    "domain": "array",
                    "area": "string",
                    "position": "integer",
                    "mode": "string",
                },
                "required": ["position"],
            },
        }
    ]


def test_full() -> None:
    """OpenAI's own shape, as JSON."""
    (tool,) = json.loads(formatted_tools([POSITION], ToolFormat.FULL))
    assert tool["type"] == "function"
    assert tool["function"]["parameters"]["type"] == "object"
    assert tool["function"]["parameters"]["properties"]["position"] == {
        "type": ["integer", "null"],
        "description": "Percent",
    }


def test_entities_are_not_listed_again() -> None:
    """The devices of the prompt tell the entities, and a list of them in each tool would be the whole prompt."""
    for tool_format in ToolFormat:
        assert "light.kitchen" not in formatted_tools(build_tools(HOUSE), tool_format)


def test_no_tools() -> None:
    """Without tools the model is told what to say."""
    assert all(formatted_tools([], tool_format) == NO_TOOLS for tool_format in ToolFormat)
