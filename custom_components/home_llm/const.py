"""Constants of the Home LLM integration."""

import logging
from datetime import timedelta
from enum import StrEnum

DOMAIN = "home_llm"
LOGGER = logging.getLogger(__package__)

# The languages of our translations, which are also the languages of the sentences we speak ourselves.
LANGUAGES = ("en", "de", "es", "fr", "pl")

SUBENTRY_CONVERSATION = "conversation"
SUBENTRY_AI_TASK = "ai_task_data"

CONF_ADMIN_KEY = "admin_key"
CONF_API_TYPE = "api_type"
CONF_BACKEND = "backend"
CONF_CALL_FORMAT = "call_format"
CONF_COMMAND = "command"
CONF_CONTEXT_SIZE = "context_size"
CONF_FILE = "file"
CONF_HUB_TOKEN = "hub_token"  # noqa: S105 - a name, not a token
CONF_PROMPT_TEMPLATE = "prompt_template"
CONF_QUANT = "quant"
CONF_REPOSITORY = "repository"
CONF_THREADS = "threads"

CONF_CONFIRM = "confirm"
CONF_MAX_TOKENS = "max_tokens"
CONF_TEMPERATURE = "temperature"
CONF_TOOL_MODE = "tool_mode"


class ToolMode(StrEnum):
    """How an agent acts on the house."""

    HOME = "home"
    ASSIST = "assist"


class Backend(StrEnum):
    """Where the model runs. The kinds of remote servers are named as in server_kinds."""

    AUTO = "auto"
    HOME_LLM = "home_llm"
    WEBUI = "text_generation_webui"
    LLAMA_SERVER = "llama_server"
    OLLAMA = "ollama"
    OPENAI = "openai"
    HUGGING_FACE = "hugging_face"
    LOCAL_FILE = "local_file"


LOCAL_BACKENDS = (Backend.HUGGING_FACE, Backend.LOCAL_FILE)


class ApiType(StrEnum):
    """What a remote server is asked for."""

    CHAT = "chat"
    TEXT = "text"


DEFAULT_TITLE = "Home LLM"
DEFAULT_MAX_TOKENS = 512
DEFAULT_TASK_TITLE = "Home LLM AI Task"
# Data take more words than a sentence that is spoken.
DEFAULT_TASK_MAX_TOKENS = 1024
# Commands have one right answer: the most likely one.
DEFAULT_TEMPERATURE = 0.0

MAX_TOOL_ITERATIONS = 10
# Older turns are left out: a small model's context is short, and they matter little to the next command.
DEFAULT_HISTORY_TURNS = 10
MAX_HISTORY_TURNS = 50
# A service that takes longer than this goes on in the background while the assistant answers.
SERVICE_TIMEOUT = 10.0

UPDATE_INTERVAL_CONNECTED = timedelta(minutes=10)
UPDATE_INTERVAL_DISCONNECTED = timedelta(minutes=1)

# What changes in the house comes in bursts, and each change of the prompt is read anew.
WARM_COOLDOWN = timedelta(seconds=30)
# A restart of the machine that the server runs on takes less than this.
GONE_AFTER = timedelta(minutes=30)
# A prompt that fills more than this share of the context leaves little for the conversation.
CROWDED_SHARE = 0.75
# The prompt of an agent, and how much of house and conversation is in it.
CONF_EXAMPLES = "examples"
CONF_HISTORY_TURNS = "history_turns"
CONF_HOUSE_TOKENS = "house_tokens"
CONF_PERSONA = "persona"
CONF_PROMPT_LANGUAGE = "prompt_language"
CONF_TELL_TIME = "tell_time"
CONF_THINKING = "thinking"
CONF_TOOL_FORMAT = "tool_format"
CONF_TRAINING = "training"

# The user's own files of examples, in Home Assistant's configuration folder: examples_de.csv.
USER_FOLDER = "home_llm"
