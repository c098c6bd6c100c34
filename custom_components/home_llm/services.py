"""The actions of the integration: warm a prompt, load a model, ask an agent and see what the answer took."""

import time
from typing import Any

import probatio
from homeassistant.components import conversation
from homeassistant.components.conversation.chat_log import async_get_chat_log
from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_ENTITY_ID
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.service import async_get_config_entry

from .client import HomeLlmResponseError
from .const import CONF_ADMIN_KEY, DOMAIN
from .coordinator import HomeLlmConfigEntry
from .errors import AgentError, api_errors
from .known_models import loaded_context, model_in_use
from .measure import Answer, answers_of_turn
from .server_routes import async_load_model
from .sessions import async_session

SERVICE_ASK = "ask"
SERVICE_LOAD_MODEL = "load_model"
SERVICE_WARM = "warm"

ATTR_CONTEXT_SIZE = "context_size"
ATTR_CONVERSATION_ID = "conversation_id"
ATTR_LANGUAGE = "language"
ATTR_MODEL = "model"
ATTR_TEXT = "text"

_ASK_SCHEMA = probatio.Schema(
    {
        probatio.Required(ATTR_ENTITY_ID): cv.entity_id,
        probatio.Required(ATTR_TEXT): cv.string,
        probatio.Optional(ATTR_LANGUAGE): cv.string,
        probatio.Optional(ATTR_CONVERSATION_ID): cv.string,
    }
)
_LOAD_MODEL_SCHEMA = probatio.Schema(
    {
        probatio.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        probatio.Required(ATTR_MODEL): cv.string,
        probatio.Optional(ATTR_CONTEXT_SIZE): cv.positive_int,
        probatio.Optional(CONF_ADMIN_KEY): cv.string,
    }
)
_WARM_SCHEMA = probatio.Schema({probatio.Required(ATTR_ENTITY_ID): cv.entity_ids})


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    hass.services.async_register(
        DOMAIN, SERVICE_ASK, _async_ask, schema=_ASK_SCHEMA, supports_response=SupportsResponse.ONLY
    )
    hass.services.async_register(
        DOMAIN,
        SERVICE_LOAD_MODEL,
        _async_load_model,
        schema=_LOAD_MODEL_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN, SERVICE_WARM, _async_warm, schema=_WARM_SCHEMA, supports_response=SupportsResponse.OPTIONAL
    )


async def _async_ask(call: ServiceCall) -> ServiceResponse:
    """Say something to an agent; return what it answered, what it did and what that took."""
    entity_id = call.data[ATTR_ENTITY_ID]
    _async_agent(call.hass, entity_id)
    began = time.monotonic()
    with (
        answers_of_turn() as answers,
        async_session(call.hass, call.data.get(ATTR_CONVERSATION_ID), call.context) as session,
        async_get_chat_log(call.hass, session) as chat_log,
    ):
        before = len(chat_log.content)
        result = await conversation.async_converse(
            call.hass,
            call.data[ATTR_TEXT],
            session.conversation_id,
            call.context,
            language=call.data.get(ATTR_LANGUAGE),
            agent_id=entity_id,
        )
        calls = _calls(chat_log.content[before:])
        if isinstance(chat_log.content[-1], conversation.UserContent):
            # A turn in which nothing happened is forgotten, as it is without us around it.
            del chat_log.content[before:]
    response = result.response
    answer: dict[str, Any] = {
        "text": str(response.speech.get("plain", {}).get("speech", "")),
        "error": response.error_code.value if response.error_code else None,
        "conversation_id": result.conversation_id,
        "continue_conversation": result.continue_conversation,
        "calls": calls,
        "tokens": {
            "prompt": _sum(answers, "prompt_tokens"),
            "cached": _sum(answers, "cached_tokens"),
            "completion": _sum(answers, "completion_tokens"),
        },
        "latency": {
            "total": round(time.monotonic() - began, 3),
            "first_token": _rounded(answers[0].seconds_to_first_token) if answers else None,
            "tokens_per_second": _rounded(answers[-1].tokens_per_second) if answers else None,
        },
    }
    return answer


async def _async_load_model(call: ServiceCall) -> ServiceResponse:
    """Let a server load another model, and wait for it."""
    entry: HomeLlmConfigEntry = async_get_config_entry(call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID))
    coordinator = entry.runtime_data
    key = call.data.get(CONF_ADMIN_KEY) or entry.data.get(CONF_ADMIN_KEY)
    began = time.monotonic()
    name = call.data[ATTR_MODEL]
    try:
        with api_errors():
            await async_load_model(coordinator.client, name, call.data.get(ATTR_CONTEXT_SIZE), key)
    except AgentError as err:
        if isinstance(err.__cause__, HomeLlmResponseError):
            raise AgentError("load_failed", model=name, message=str(err.__cause__)) from err
        raise
    seconds = round(time.monotonic() - began, 3)
    await coordinator.async_refresh()
    return {
        "model": model_in_use(coordinator.data),
        "context_size": loaded_context(coordinator.data),
        "seconds": seconds,
    }


async def _async_warm(call: ServiceCall) -> ServiceResponse:
    """Read the prompts of agents into the cache of their server, and wait for it."""
    agents = {entity_id: _async_agent(call.hass, entity_id) for entity_id in call.data[ATTR_ENTITY_ID]}
    response: dict[str, Any] = {}
    for entity_id, (entry, subentry_id) in agents.items():
        began = time.monotonic()
        usage = await entry.runtime_data.warmth.async_warm(subentry_id)
        response[entity_id] = {
            "prompt_tokens": usage.prompt_tokens,
            "cached_tokens": usage.cached_tokens,
            "seconds": round(time.monotonic() - began, 3),
        }
    return {"agents": response}


@callback
def _async_agent(hass: HomeAssistant, entity_id: str) -> tuple[HomeLlmConfigEntry, str]:
    """Return the entry and the subentry of an agent.

    Raises:
        ServiceValidationError: it is none of ours, or its server is not set up now.
    """
    registered = er.async_get(hass).async_get(entity_id)
    if (
        registered is None
        or registered.platform != DOMAIN
        or registered.domain != conversation.DOMAIN
        or registered.config_subentry_id is None
        or registered.disabled
    ):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="not_an_agent", translation_placeholders={"entity": entity_id}
        )
    return async_get_config_entry(hass, DOMAIN, registered.config_entry_id), registered.config_subentry_id


def _calls(content: list[conversation.Content]) -> list[dict[str, Any]]:
    """Return the calls of a turn, with whether they succeeded."""
    calls: list[dict[str, Any]] = []
    # Some servers number the calls of every round anew: a result belongs to the last call with its number.
    open_calls: dict[str, dict[str, Any]] = {}
    for item in content:
        if isinstance(item, conversation.AssistantContent):
            for made in item.tool_calls or ():
                call: dict[str, Any] = {"tool": made.tool_name, "arguments": made.tool_args, "success": False}
                calls.append(call)
                open_calls[made.id] = call
        elif isinstance(item, conversation.ToolResultContent) and item.tool_call_id in open_calls:
            open_calls[item.tool_call_id]["success"] = not item.result.error
    return calls


def _sum(answers: list[Answer], field: str) -> int | None:
    """Return a number of tokens over all answers of a turn, None where the server does not tell."""
    told = [value for answer in answers if (value := getattr(answer, field)) is not None]
    return sum(told) if told else None


def _rounded(value: float | None) -> float | None:
    """Return a number with as many places as anybody reads."""
    return None if value is None else round(value, 3)
