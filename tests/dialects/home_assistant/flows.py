"""Setting up Home Assistant's own integrations, each through its own forms, as a person fills them in."""

from dataclasses import dataclass
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er

ASSIST = ["assist"]


@dataclass(frozen=True)
class Wishes:
    """What a person fills in, wherever a form has a field of that name.

    Attributes:
        domain: the integration.
        server: for the server, with `{url}` where its address belongs and `{key}` for its key.
        agent: for a conversation agent.
    """

    domain: str
    server: dict[str, str]
    agent: dict[str, Any]


async def add_server(hass: HomeAssistant, wishes: Wishes, url: str, key: str) -> dict[str, Any]:
    """Fill in the forms for the server; return the result of the last one."""
    flows = hass.config_entries.flow
    result = dict(await flows.async_init(wishes.domain, context={"source": SOURCE_USER}))
    assert result["step_id"] == "user"
    filled = {name: text.format(url=url, key=key) for name, text in wishes.server.items()}
    return await _fill_in(hass, flows, result, filled)


async def add_agent(hass: HomeAssistant, entry: ConfigEntry, wishes: Wishes) -> str:
    """Fill in the forms for a conversation agent; return its entity."""
    flows = hass.config_entries.subentries
    result = dict(await flows.async_init((entry.entry_id, "conversation"), context={"source": SOURCE_USER}))
    result = await _fill_in(hass, flows, result, wishes.agent)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    (agent,) = (
        entity.entity_id
        for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        if entity.config_subentry_id == list(entry.subentries)[-1]
    )
    return agent


async def _fill_in(hass: HomeAssistant, flows: Any, result: dict[str, Any], wishes: dict[str, Any]) -> dict[str, Any]:
    """Fill in form after form, each with those of the wishes that it has fields for; end where one is refused."""
    while result["type"] is FlowResultType.FORM and not result["errors"]:
        fields = {str(field) for field in result["data_schema"].schema}
        filled = {name: value for name, value in wishes.items() if name in fields}
        result = dict(await flows.async_configure(result["flow_id"], filled))
    await hass.async_block_till_done()
    return result


class Talk:
    """One conversation, through the action that voice assistants and automations use."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin."""
        self._hass = hass
        self._context: dict[str, str] = {}

    async def say(self, agent: str, text: str) -> dict[str, Any]:
        """Say something to an agent; return its response."""
        data = {"text": text, "agent_id": agent, "language": "en", **self._context}
        answer: Any = await self._hass.services.async_call(
            "conversation", "process", data, blocking=True, return_response=True
        )
        await self._hass.async_block_till_done()
        self._context = {"conversation_id": answer["conversation_id"]}
        return dict(answer["response"])
