"""The forms of the config flow."""

from collections.abc import Iterable, Mapping
from typing import Any

import probatio
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_URL
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from .const import (
    CONF_ADMIN_KEY,
    CONF_API_TYPE,
    CONF_BACKEND,
    CONF_CALL_FORMAT,
    CONF_COMMAND,
    CONF_CONTEXT_SIZE,
    CONF_FILE,
    CONF_HUB_TOKEN,
    CONF_PROMPT_TEMPLATE,
    CONF_QUANT,
    CONF_REPOSITORY,
    CONF_THREADS,
    LOCAL_BACKENDS,
    ApiType,
    Backend,
)
from .prompt_templates import PromptTemplate
from .text_tools import CallFormat

CONF_ADVANCED = "advanced"

_KEY_SELECTOR = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))


def _choice(options: Iterable[str], key: str) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(options=list(options), translation_key=key, mode=SelectSelectorMode.DROPDOWN)
    )


def _names(options: Iterable[str]) -> SelectSelector:
    """Return a list to choose from, in which other names can be written too."""
    return SelectSelector(
        SelectSelectorConfig(options=list(options), mode=SelectSelectorMode.DROPDOWN, custom_value=True)
    )


def _count(most: int) -> NumberSelector:
    return NumberSelector(NumberSelectorConfig(min=0, max=most, step=1, mode=NumberSelectorMode.BOX))


REMOTE_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_URL): TextSelector(TextSelectorConfig(type=TextSelectorType.URL)),
        probatio.Optional(CONF_API_KEY): _KEY_SELECTOR,
        probatio.Optional(CONF_ADVANCED): section(
            probatio.Schema(
                {
                    probatio.Required(CONF_BACKEND, default=Backend.AUTO.value): _choice(
                        (kind.value for kind in Backend if kind not in LOCAL_BACKENDS), CONF_BACKEND
                    ),
                    probatio.Optional(CONF_ADMIN_KEY): _KEY_SELECTOR,
                    probatio.Required(CONF_API_TYPE, default=ApiType.CHAT.value): _choice(
                        (kind.value for kind in ApiType), CONF_API_TYPE
                    ),
                    probatio.Required(CONF_PROMPT_TEMPLATE, default=PromptTemplate.CHATML.value): _choice(
                        (template.value for template in PromptTemplate), CONF_PROMPT_TEMPLATE
                    ),
                    probatio.Required(CONF_CALL_FORMAT, default=CallFormat.TOOL_CALL.value): _choice(
                        (call_format.value for call_format in CallFormat), CONF_CALL_FORMAT
                    ),
                }
            ),
            {"collapsed": True},
        ),
    }
)
REAUTH_SCHEMA = probatio.Schema({probatio.Optional(CONF_API_KEY): _KEY_SELECTOR})
PROGRAM_SCHEMA = probatio.Schema({probatio.Optional(CONF_COMMAND): TextSelector()})

_LIMITS: dict[Any, Any] = {
    probatio.Optional(CONF_CONTEXT_SIZE, default=0): _count(1_048_576),
    probatio.Optional(CONF_THREADS, default=0): _count(256),
}
FILE_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_FILE): TextSelector(),
        probatio.Optional(CONF_ADVANCED): section(probatio.Schema(_LIMITS), {"collapsed": True}),
    }
)
LOCAL_SCHEMA = probatio.Schema(
    {
        probatio.Optional(CONF_COMMAND): TextSelector(),
        probatio.Optional(CONF_HUB_TOKEN): _KEY_SELECTOR,
        **_LIMITS,
    }
)


def model_schema(models: Iterable[str]) -> probatio.Schema:
    """Return the choice of a model of a server."""
    return probatio.Schema({probatio.Required(CONF_MODEL): _names(models)})


def repository_schema(catalogue: Mapping[str, str]) -> probatio.Schema:
    """Return the choice of a model on the hub, with those that are known to be of use."""
    options = [SelectOptionDict(value=name, label=f"{name}: {use}") for name, use in catalogue.items()]
    return probatio.Schema(
        {
            probatio.Required(CONF_REPOSITORY): SelectSelector(
                SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN, custom_value=True)
            ),
            probatio.Optional(CONF_ADVANCED): section(
                probatio.Schema({probatio.Optional(CONF_HUB_TOKEN): _KEY_SELECTOR, **_LIMITS}), {"collapsed": True}
            ),
        }
    )


def quant_schema(quants: Mapping[str, str]) -> probatio.Schema:
    """Return the choice of a quant, with sizes; the first is to let the server choose."""
    options = [SelectOptionDict(value="auto", label="auto")]
    options += [SelectOptionDict(value=quant, label=f"{quant} ({size})") for quant, size in quants.items()]
    selector = SelectSelector(
        SelectSelectorConfig(options=options, translation_key=CONF_QUANT, mode=SelectSelectorMode.DROPDOWN)
    )
    return probatio.Schema({probatio.Required(CONF_QUANT, default="auto"): selector})


def remote_options(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored of the advanced fields: only what differs from how it is anyway."""
    advanced = user_input.get(CONF_ADVANCED, {})
    options: dict[str, Any] = {}
    if (backend := advanced.get(CONF_BACKEND, Backend.AUTO)) != Backend.AUTO:
        options[CONF_BACKEND] = backend
    if admin_key := advanced.get(CONF_ADMIN_KEY, "").strip():
        options[CONF_ADMIN_KEY] = admin_key
    if advanced.get(CONF_API_TYPE) == ApiType.TEXT:
        options |= {key: advanced[key] for key in (CONF_API_TYPE, CONF_PROMPT_TEMPLATE, CONF_CALL_FORMAT)}
    return options


def limits(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored of the fields of a local server: only what was set."""
    options: dict[str, Any] = {
        key: int(user_input[key]) for key in (CONF_CONTEXT_SIZE, CONF_THREADS) if user_input.get(key)
    }
    for key in (CONF_COMMAND, CONF_HUB_TOKEN):
        if text := str(user_input.get(key) or "").strip():
            options[key] = text
    return options
