"""What an agent's options say about its prompt, with what is best where they say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from homeassistant.const import CONF_PROMPT
from homeassistant.helpers import llm
from homeassistant.util import language as language_util

from .const import (
    CONF_EXAMPLES,
    CONF_HISTORY_TURNS,
    CONF_HOUSE_TOKENS,
    CONF_MAX_TOKENS,
    CONF_PERSONA,
    CONF_PROMPT_LANGUAGE,
    CONF_TELL_TIME,
    CONF_THINKING,
    CONF_TOOL_FORMAT,
    CONF_TOOL_MODE,
    CONF_TRAINING,
    DEFAULT_HISTORY_TURNS,
    DEFAULT_MAX_TOKENS,
    LANGUAGES,
    ToolMode,
)
from .examples import DEFAULT_EXAMPLES
from .personas import Persona, persona_text
from .tool_formats import ToolFormat
from .trained import Dialect, Training, dialect_of, is_tuned

TEMPLATE = "{{ persona }}"
# For models that read their tools from the prompt, and not from a chat template of their own.
TOOLS_TEMPLATE = "{{ persona }}\nTools: {{ formatted_tools }}"


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """How to make the prompt of an agent.

    Attributes:
        mode: how the agent acts.
        persona: who it is, where it has no instructions of its own.
        template: the instructions, a Jinja template.
        tool_format: how tools are written by `tools` and `formatted_tools`.
        tuned: whether the model knows such prompts from its training.
        dialect: the words of its training, with home services.
        examples: how many examples there are.
        language: of persona and examples; None for that of the speaker.
        tell_time: whether the prompt ends with the time.
        thinking: whether the model may think first, None where nobody says.
        history_turns: how many turns before the current one are sent.
        house_tokens: about how many tokens the devices may take; None where the context decides.
        max_tokens: how long an answer can be.
    """

    mode: ToolMode
    persona: Persona
    template: str
    tool_format: ToolFormat
    tuned: bool
    dialect: Dialect
    examples: int
    language: str | None
    tell_time: bool
    thinking: bool | None
    history_turns: int
    house_tokens: int | None
    max_tokens: int

    @classmethod
    def of(cls, data: Mapping[str, Any], model: str | None) -> Self:
        """Read the options of an agent."""
        mode = ToolMode(data.get(CONF_TOOL_MODE, ToolMode.HOME))
        home = mode is ToolMode.HOME
        training = Training(data.get(CONF_TRAINING, Training.AUTO))
        tuned = is_tuned(training, model)
        tool_format = ToolFormat(data.get(CONF_TOOL_FORMAT, ToolFormat.MINIMAL if home else ToolFormat.FULL))
        listed = not home and tool_format is not ToolFormat.FULL
        language = data.get(CONF_PROMPT_LANGUAGE)
        return cls(
            mode=mode,
            persona=Persona(data.get(CONF_PERSONA, Persona.AL if home else Persona.STANDARD)),
            template=data.get(CONF_PROMPT) or (TOOLS_TEMPLATE if listed else TEMPLATE),
            tool_format=tool_format,
            tuned=tuned,
            dialect=dialect_of(training, model) if home else Dialect.COMPACT,
            examples=int(data.get(CONF_EXAMPLES, 0 if tuned or not (home or listed) else DEFAULT_EXAMPLES)),
            language=language if language in LANGUAGES else None,
            tell_time=bool(data.get(CONF_TELL_TIME, False)),
            thinking=data.get(CONF_THINKING),
            history_turns=int(data.get(CONF_HISTORY_TURNS, DEFAULT_HISTORY_TURNS)),
            house_tokens=int(data[CONF_HOUSE_TOKENS]) if data.get(CONF_HOUSE_TOKENS) else None,
            max_tokens=int(data.get(CONF_MAX_TOKENS, DEFAULT_MAX_TOKENS)),
        )

    def words(self, language: str) -> str:
        """Return the words of the persona in a language."""
        if self.persona is Persona.STANDARD:
            return llm.DEFAULT_INSTRUCTIONS_PROMPT.strip()
        return persona_text(self.persona, language)

    def language_for(self, spoken: str | None, default: str) -> str:
        """Return the language of the prompt for somebody who speaks a language, English where we do not have it."""
        if self.language:
            return self.language
        best = language_util.matches(spoken or default, LANGUAGES)
        return best[0] if best else "en"
