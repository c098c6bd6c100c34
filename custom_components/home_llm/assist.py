"""Assist mode: Home Assistant's own LLM APIs as OpenAI tools."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Self

import probatio
from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import (
    area_registry as ar,
)
from homeassistant.helpers import (
    entity_registry as er,
)
from homeassistant.helpers import (
    floor_registry as fr,
)
from homeassistant.helpers import (
    intent,
    llm,
)

# Names longer than this are no names a person says; they would only swell the grammar.
MAX_ALLOWED_VALUE_LENGTH = 200


class ToolNames:
    """The names of one request's tools, as Home Assistant has them and as the model sees them.

    Home Assistant prefixes a tool with the integration that owns it. Small models know the bare names and do
    better with them, so a prefix is dropped wherever what is left is still unique.
    """

    def __init__(self, outbound: dict[str, str]) -> None:
        """Take the map from Home Assistant's names to the model's."""
        self._outbound = outbound
        self._inbound = {short: name for name, short in outbound.items()}

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Self:
        """Shorten names, except those that would then be the same as another."""
        short = {name: name.rpartition("__")[2] or name for name in names}
        count = Counter(short.values())
        return cls(
            {
                name: name if count[bare] > 1 or (bare != name and bare in short) else bare
                for name, bare in short.items()
            }
        )

    def outbound(self, name: str) -> str:
        """Return the name that the model sees; names of other requests pass unchanged."""
        return self._outbound.get(name, name)

    def inbound(self, name: str) -> str:
        """Return Home Assistant's name for what the model called."""
        return self._inbound.get(name, name)


def format_tool(tool: llm.Tool, names: ToolNames, custom_serializer: Callable[[Any], Any] | None) -> dict[str, Any]:
    """Return a tool in OpenAI's shape."""
    function: dict[str, Any] = {
        "name": names.outbound(tool.name),
        "parameters": probatio.to_openapi(
            tool.parameters, custom_serializer=custom_serializer, openapi_version="3.1.0"
        ),
    }
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def repair_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments without the slips that small models make: empty values and lists written as text."""
    return {name: _unquoted(value) for name, value in arguments.items() if value is not None and value != ""}


def _unquoted(value: Any) -> Any:
    """Return the list or object that a string spells out, or the value as it is."""
    if isinstance(value, str) and value[:1] + value[-1:] in ("[]", "{}"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


@callback
def async_allowed_values(hass: HomeAssistant, assistant: str) -> dict[str, list[str]]:
    """Return the names that exist in this house, to which the server's grammar binds the arguments."""
    entity_registry = er.async_get(hass)
    names: set[str] = set()
    for state in hass.states.async_all():
        if async_should_expose(hass, assistant, state.entity_id):
            entry = entity_registry.async_get(state.entity_id)
            names.update(intent.async_get_entity_aliases(hass, entry, state=state))
    areas = ar.async_get(hass).async_list_areas()
    floors = fr.async_get(hass).async_list_floors()
    allowed = {
        "name": names,
        "area": {name for area in areas for name in (area.name, *area.aliases)},
        "floor": {name for floor in floors for name in (floor.name, *floor.aliases)},
    }
    return {
        key: values
        for key, found in allowed.items()
        if (values := sorted(name for name in found if 0 < len(name) <= MAX_ALLOWED_VALUE_LENGTH))
    }
