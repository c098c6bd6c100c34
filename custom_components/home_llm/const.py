"""Constants of the Home LLM integration."""

import logging
from datetime import timedelta
from enum import StrEnum

DOMAIN = "home_llm"
LOGGER = logging.getLogger(__package__)

# The languages of our translations, which are also the languages of the sentences we speak ourselves.
LANGUAGES = ("en", "de", "es", "fr", "pl")

SUBENTRY_CONVERSATION = "conversation"

CONF_MAX_TOKENS = "max_tokens"
CONF_TEMPERATURE = "temperature"
CONF_TOOL_MODE = "tool_mode"


class ToolMode(StrEnum):
    """How an agent acts on the house."""

    HOME = "home"
    ASSIST = "assist"


DEFAULT_TITLE = "Home LLM"
DEFAULT_MAX_TOKENS = 512
# Commands have one right answer: the most likely one.
DEFAULT_TEMPERATURE = 0.0

MAX_TOOL_ITERATIONS = 10
# Older turns are left out: a small model's context is short, and they matter little to the next command.
MAX_HISTORY_TURNS = 10
# A service that takes longer than this goes on in the background while the assistant answers.
SERVICE_TIMEOUT = 10.0

UPDATE_INTERVAL_CONNECTED = timedelta(minutes=10)
UPDATE_INTERVAL_DISCONNECTED = timedelta(minutes=1)
