"""Tell the user that not all exposed devices fit into the prompt of an agent."""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN, LOGGER
from .entity_budget import Kept

HOUSE_TOO_BIG = "house_too_big"


@callback
def report_dropped(hass: HomeAssistant, agent: ConfigSubentry, kept: Kept) -> None:
    """Report how many devices an agent does not know of, or take that back."""
    if not kept.dropped:
        clear_dropped(hass, agent)
        return
    total = len(kept.in_order) + kept.dropped
    LOGGER.debug("%s is told of %s of %s exposed devices", agent.title, len(kept.in_order), total)
    # The number is that of the whole house and does not change with every command.
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(agent),
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key=HOUSE_TOO_BIG,
        translation_placeholders={"agent": agent.title, "kept": str(len(kept.core)), "total": str(total)},
    )


@callback
def clear_dropped(hass: HomeAssistant, agent: ConfigSubentry) -> None:
    """Take the report back."""
    ir.async_delete_issue(hass, DOMAIN, _issue_id(agent))


def _issue_id(agent: ConfigSubentry) -> str:
    """Return the id of the issue of an agent."""
    return f"{HOUSE_TOO_BIG}_{agent.subentry_id}"
