"""The forms of an agent: what everybody is asked, and what only some want to change."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import probatio
from homeassistant.const import CONF_PROMPT
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    LanguageSelector,
    LanguageSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TemplateSelector,
)

from .const import (
    CONF_CONFIRM,
    CONF_EXAMPLES,
    CONF_HISTORY_TURNS,
    CONF_HOUSE_TOKENS,
    CONF_MAX_TOKENS,
    CONF_PERSONA,
    CONF_PROMPT_LANGUAGE,
    CONF_TELL_TIME,
    CONF_TEMPERATURE,
    CONF_THINKING,
    CONF_TOOL_FORMAT,
    CONF_TOOL_MODE,
    CONF_TRAINING,
    DEFAULT_TEMPERATURE,
    LANGUAGES,
    MAX_HISTORY_TURNS,
    ToolMode,
)
from .entity_budget import SMALLEST_BUDGET
from .examples import MAX_EXAMPLES
from .personas import Persona
from .prompt_options import PromptOptions
from .tool_formats import ToolFormat
from .trained import Training
from .trust import DEFAULT_CONFIRM, Guarded

SECTION_ADVANCED = "advanced"
CONF_SHOW_PROMPT = "show_prompt"


class Thinking(StrEnum):
    """Whether a model thinks before it answers."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


# Only Assist has words of its own.
PERSONAS = {
    ToolMode.HOME: [Persona.AL, Persona.BLACKBEARD, Persona.ROBO],
    ToolMode.ASSIST: [Persona.STANDARD, Persona.AL, Persona.BLACKBEARD, Persona.ROBO],
}
# All that the form stores.
STORED = (
    CONF_CONFIRM,
    CONF_EXAMPLES,
    CONF_HISTORY_TURNS,
    CONF_HOUSE_TOKENS,
    CONF_MAX_TOKENS,
    CONF_PERSONA,
    CONF_PROMPT,
    CONF_PROMPT_LANGUAGE,
    CONF_TELL_TIME,
    CONF_TEMPERATURE,
    CONF_THINKING,
    CONF_TOOL_FORMAT,
    CONF_TRAINING,
)
_THINKING = {Thinking.AUTO: None, Thinking.ON: True, Thinking.OFF: False}
_WHOLE_NUMBERS = (CONF_EXAMPLES, CONF_HISTORY_TURNS, CONF_HOUSE_TOKENS, CONF_MAX_TOKENS)


def options_schema(data: Mapping[str, Any], model: str | None, first: Mapping[Any, Any]) -> probatio.Schema:
    """Return the form of an agent's options, filled with what it has.

    Args:
        data: what is stored of the agent.
        model: that answers, on which some defaults depend.
        first: fields that stand before the others.
    """
    options = PromptOptions.of(data, model)
    personas = PERSONAS[options.mode]
    persona = options.persona if options.persona in personas else personas[0]
    return probatio.Schema(
        {
            **first,
            probatio.Required(CONF_PERSONA, default=persona.value): choice(CONF_PERSONA, personas),
            _filled(CONF_PROMPT, data.get(CONF_PROMPT)): TemplateSelector(),
            probatio.Required(CONF_CONFIRM, default=_effective(data, model)[CONF_CONFIRM]): SelectSelector(
                SelectSelectorConfig(
                    options=[kind.value for kind in Guarded],
                    translation_key=CONF_CONFIRM,
                    multiple=True,
                    mode=SelectSelectorMode.LIST,
                )
            ),
            probatio.Required(SECTION_ADVANCED): section(_advanced(data, options), {"collapsed": True}),
            probatio.Required(CONF_SHOW_PROMPT, default=False): BooleanSelector(),
        }
    )


def chosen_options(user_input: Mapping[str, Any], data: Mapping[str, Any], model: str | None) -> dict[str, Any]:
    """Return what is to be stored of a form: what differs from what is best anyway.

    What nobody changed is not stored, so that better defaults of a later version reach the agent.

    Args:
        user_input: what the form gave.
        data: what the form was made from.
        model: that answers.
    """
    told = {CONF_PERSONA: user_input[CONF_PERSONA], **user_input[SECTION_ADVANCED]}
    # In one order, and none at all is never to ask.
    told[CONF_CONFIRM] = [kind.value for kind in Guarded if kind in user_input[CONF_CONFIRM]]
    told[CONF_PROMPT] = str(user_input.get(CONF_PROMPT, "")).strip()
    told[CONF_THINKING] = _THINKING[Thinking(told[CONF_THINKING])]
    for key in _WHOLE_NUMBERS:
        if told.get(key) is not None:
            told[key] = int(told[key])
    shown = _effective(data, model)
    best = _effective({CONF_TOOL_MODE: data[CONF_TOOL_MODE]}, model)
    # How many examples are best depends on these two.
    decided = {key: told[key] for key in (CONF_TOOL_FORMAT, CONF_TRAINING)}
    best[CONF_EXAMPLES] = _effective({CONF_TOOL_MODE: data[CONF_TOOL_MODE], **decided}, model)[CONF_EXAMPLES]
    return {
        key: value
        for key, value in told.items()
        if value not in (None, "") and value != best.get(key) and (key in data or value != shown.get(key))
    }


def choice(key: str, values: list[Any], mode: SelectSelectorMode = SelectSelectorMode.DROPDOWN) -> SelectSelector:
    """Return a field with a few choices that have translated names."""
    return SelectSelector(
        SelectSelectorConfig(options=[value.value for value in values], translation_key=key, mode=mode)
    )


def _advanced(data: Mapping[str, Any], options: PromptOptions) -> probatio.Schema:
    """Return the fields that most people leave as they are."""
    thinking = next(kind for kind, value in _THINKING.items() if value is options.thinking)
    shown = _effective(data, None)
    return probatio.Schema(
        {
            probatio.Required(CONF_MAX_TOKENS, default=options.max_tokens): _number(16, 8192),
            probatio.Required(CONF_TEMPERATURE, default=shown[CONF_TEMPERATURE]): NumberSelector(
                NumberSelectorConfig(min=0, max=2, step=0.05)
            ),
            probatio.Required(CONF_THINKING, default=thinking.value): choice(CONF_THINKING, list(Thinking)),
            probatio.Required(CONF_HISTORY_TURNS, default=options.history_turns): _number(0, MAX_HISTORY_TURNS),
            _filled(CONF_HOUSE_TOKENS, options.house_tokens): _number(SMALLEST_BUDGET, 131072),
            probatio.Required(CONF_TELL_TIME, default=options.tell_time): BooleanSelector(),
            probatio.Required(CONF_TRAINING, default=shown[CONF_TRAINING]): choice(CONF_TRAINING, list(Training)),
            probatio.Required(CONF_EXAMPLES, default=options.examples): _number(0, MAX_EXAMPLES),
            _filled(CONF_PROMPT_LANGUAGE, options.language): LanguageSelector(
                LanguageSelectorConfig(languages=list(LANGUAGES), native_name=True)
            ),
            probatio.Required(CONF_TOOL_FORMAT, default=options.tool_format.value): choice(
                CONF_TOOL_FORMAT, list(ToolFormat)
            ),
        }
    )


def _effective(data: Mapping[str, Any], model: str | None) -> dict[str, Any]:
    """Return what an agent with these options does, in the words of the form."""
    options = PromptOptions.of(data, model)
    confirmed = data.get(CONF_CONFIRM, DEFAULT_CONFIRM)
    return {
        CONF_CONFIRM: [kind.value for kind in Guarded if kind in confirmed],
        CONF_EXAMPLES: options.examples,
        CONF_HISTORY_TURNS: options.history_turns,
        CONF_MAX_TOKENS: options.max_tokens,
        CONF_PERSONA: options.persona.value,
        CONF_TELL_TIME: options.tell_time,
        CONF_TEMPERATURE: float(data.get(CONF_TEMPERATURE, DEFAULT_TEMPERATURE)),
        CONF_TOOL_FORMAT: options.tool_format.value,
        CONF_TRAINING: Training(data.get(CONF_TRAINING, Training.AUTO)).value,
    }


def _filled(key: str, value: Any) -> probatio.Optional:
    """Return a field that can be emptied, filled with what it has."""
    return probatio.Optional(key, description={"suggested_value": value} if value is not None else None)


def _number(minimum: int, maximum: int) -> NumberSelector:
    """Return a field for a whole number."""
    return NumberSelector(NumberSelectorConfig(min=minimum, max=maximum, step=1, mode=NumberSelectorMode.BOX))
