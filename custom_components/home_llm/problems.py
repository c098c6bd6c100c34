"""Find out what is wrong with a server and its agents for longer than a moment, and keep the repair issues of it.

The flows that repair them are in repairs.py.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_LLM_HASS_API, CONF_MODEL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from .client import HomeLlmError, HomeLlmResponseError, ServerInfo
from .const import (
    CONF_TOOL_MODE,
    CROWDED_SHARE,
    DOMAIN,
    GONE_AFTER,
    LOGGER,
    SUBENTRY_CONVERSATION,
    ToolMode,
)
from .entity_budget import Kept
from .known_models import find_model
from .refusal_words import is_context_refusal, is_tools_refusal
from .usage import Usage

CONTEXT_TOO_SMALL = "context_too_small"
HOME_MODE_UNSUPPORTED = "home_mode_unsupported"
HOUSE_TOO_BIG = "house_too_big"
MODEL_FAILED = "model_failed"
MODEL_MISSING = "model_missing"
SERVER_GONE = "server_gone"
TOOLS_LOST = "tools_lost"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of problem."""

    fixable: bool
    severity: ir.IssueSeverity = ir.IssueSeverity.ERROR


KINDS = {
    CONTEXT_TOO_SMALL: _Kind(fixable=False),
    HOME_MODE_UNSUPPORTED: _Kind(fixable=True),
    HOUSE_TOO_BIG: _Kind(fixable=False, severity=ir.IssueSeverity.WARNING),
    MODEL_FAILED: _Kind(fixable=False),
    MODEL_MISSING: _Kind(fixable=True),
    SERVER_GONE: _Kind(fixable=True),
    TOOLS_LOST: _Kind(fixable=True),
}


@dataclass(slots=True)
class _House:
    """What the prompt of an agent tells of the house.

    Attributes:
        kept: how many devices are always told of, 0 where the agent does not choose.
        total: of how many.
        tokens: what the prompt takes.
        context: how many tokens there can be.
        crowded: whether it leaves little room for a conversation.
    """

    kept: int = 0
    total: int = 0
    tokens: int = 0
    context: int | None = None
    crowded: bool = False


class Problems:
    """The repair issues of one server."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
        """Begin without problems."""
        self._hass = hass
        self._entry = entry
        self._gone_since: datetime | None = None
        self._houses: dict[str, _House] = {}

    @callback
    def report(self, kind: str, agent: ConfigSubentry | None = None, **placeholders: str) -> None:
        """Report a problem of the server, or of one of its agents; the same one again changes nothing."""
        placeholders = {"server": self._entry.title, **placeholders}
        data: dict[str, str | int | float | None] = {"entry_id": self._entry.entry_id}
        if agent is not None:
            placeholders["agent"] = agent.title
            data["subentry_id"] = agent.subentry_id
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id(kind, agent),
            data=data,
            is_fixable=KINDS[kind].fixable,
            severity=KINDS[kind].severity,
            translation_key=kind,
            translation_placeholders=placeholders,
        )

    @callback
    def clear(self, kind: str, agent: ConfigSubentry | None = None) -> None:
        """Take a problem back."""
        ir.async_delete_issue(self._hass, DOMAIN, self._issue_id(kind, agent))

    @callback
    def clear_all(self) -> None:
        """Take back everything, also what is about agents that have been removed since."""
        prefixes = tuple(f"{kind}_{self._entry.entry_id}" for kind in KINDS)
        for domain, issue_id in list(ir.async_get(self._hass).issues):
            if domain == DOMAIN and issue_id.startswith(prefixes):
                ir.async_delete_issue(self._hass, DOMAIN, issue_id)

    @callback
    def server_failed(self, err: HomeLlmError) -> None:
        """Note that the server could not be asked; after a while that is a problem."""
        now = dt_util.utcnow()
        self._gone_since = self._gone_since or now
        if now - self._gone_since >= GONE_AFTER:
            self.report(SERVER_GONE, message=str(err))

    @callback
    def server_answered(self, server: ServerInfo) -> None:
        """Compare what the agents want with what the server has."""
        self._gone_since = None
        self.clear(SERVER_GONE)
        if server.health is not None and server.health.status == "error":
            self.report(MODEL_FAILED, message=server.health.message)
        else:
            self.clear(MODEL_FAILED)
        for agent in self._entry.subentries.values():
            self._check_mode(agent, server)
            self._check_model(agent, server)

    @callback
    def request_failed(self, agent: ConfigSubentry, err: HomeLlmError) -> None:
        """Report what makes every request of an agent fail. What is wrong with one task is the task's affair."""
        if agent.subentry_type != SUBENTRY_CONVERSATION or not isinstance(err, HomeLlmResponseError):
            return
        if is_context_refusal(message := str(err)):
            self.report(CONTEXT_TOO_SMALL, agent, message=message)
        elif agent.data.get(CONF_LLM_HASS_API) and is_tools_refusal(message):
            self.report(TOOLS_LOST, agent, message=message)

    @callback
    def request_succeeded(self, agent: ConfigSubentry) -> None:
        """Take back what made requests fail."""
        self.clear(CONTEXT_TOO_SMALL, agent)
        self.clear(TOOLS_LOST, agent)

    @callback
    def house_told(self, agent: ConfigSubentry, kept: Kept, tokens: int, context: int | None) -> None:
        """Look whether an agent is told of all devices.

        Args:
            agent: which agent.
            kept: what it is told of.
            tokens: about what its prompt takes.
            context: how many tokens there can be, None where the server does not tell.
        """
        house = self._houses.setdefault(agent.subentry_id, _House())
        told, total = len(kept.in_order), len(kept.in_order) + kept.dropped
        if kept.dropped:
            LOGGER.debug("%s is told of %s of %s exposed devices", agent.title, told, total)
        # The number is that of the whole house and does not change with every command.
        always = len(kept.core) if kept.dropped else total
        if (always, total) == (house.kept, house.total):
            return
        house.kept, house.total = always, total
        if not house.crowded:
            house.tokens, house.context = tokens, context
        self._report_house(agent, house)

    @callback
    def prompt_read(self, agent: ConfigSubentry, usage: Usage, context_size: int | None, exposed: int) -> None:
        """Look whether what an agent always sends leaves room for a conversation."""
        self.clear(CONTEXT_TOO_SMALL, agent)
        if not usage.prompt_tokens or not context_size:
            return
        house = self._houses.setdefault(agent.subentry_id, _House())
        house.tokens, house.context = usage.prompt_tokens, context_size
        house.crowded = usage.prompt_tokens > CROWDED_SHARE * context_size
        if not house.total:
            house.kept = house.total = exposed
        self._report_house(agent, house)

    @callback
    def house_forgotten(self, agent: ConfigSubentry) -> None:
        """Take back what was reported about the house of an agent that goes."""
        self._houses.pop(agent.subentry_id, None)
        self.clear(HOUSE_TOO_BIG, agent)

    def _report_house(self, agent: ConfigSubentry, house: _House) -> None:
        """Report a house that is too big, or take that back."""
        if not house.crowded and house.kept == house.total:
            self.clear(HOUSE_TOO_BIG, agent)
            return
        self.report(
            HOUSE_TOO_BIG,
            agent,
            kept=str(house.kept),
            total=str(house.total),
            tokens=str(house.tokens),
            context=str(house.context or "?"),
        )

    def _check_mode(self, agent: ConfigSubentry, server: ServerInfo) -> None:
        """Look whether an agent uses home services on a server which does not know them.

        A repair and not a failed setup: the agent can still be set to another mode, which a failed entry would
        not allow.
        """
        if agent.subentry_type != SUBENTRY_CONVERSATION:
            return
        mode = ToolMode(agent.data.get(CONF_TOOL_MODE, ToolMode.HOME))
        if mode is ToolMode.HOME and not server.has_home_services:
            self.report(HOME_MODE_UNSUPPORTED, agent)
        else:
            self.clear(HOME_MODE_UNSUPPORTED, agent)

    def _check_model(self, agent: ConfigSubentry, server: ServerInfo) -> None:
        """Look whether the server still has the model of an agent.

        A Home LLM server answers with the model that it has, whatever is named.
        """
        name = agent.data.get(CONF_MODEL)
        if name and server.models and not server.is_home_llm and find_model(server, name) is None:
            self.report(MODEL_MISSING, agent, model=name)
        else:
            self.clear(MODEL_MISSING, agent)

    def _issue_id(self, kind: str, agent: ConfigSubentry | None) -> str:
        """Return the id of an issue."""
        return "_".join([kind, self._entry.entry_id, *([agent.subentry_id] if agent else [])])
