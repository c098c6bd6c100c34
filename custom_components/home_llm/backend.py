"""The backend of an entry: a server somewhere, or one that runs here for this entry alone."""

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_URL, EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .client import HomeLlmAuthenticationError, HomeLlmClient, HomeLlmError, ServerKind, TextMode
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
    DOMAIN,
    LOCAL_BACKENDS,
    LOGGER,
    ApiType,
    Backend,
)
from .errors import error_key
from .local_process import LocalOptions
from .local_server import LocalServer
from .model_names import unknown_model
from .prompt_templates import PromptTemplate
from .text_tools import CallFormat

AUTO_QUANT = "auto"


def backend_of(data: Mapping[str, Any]) -> Backend:
    """Return the backend that an entry was set up with."""
    return Backend(data.get(CONF_BACKEND, Backend.AUTO))


def is_local(data: Mapping[str, Any]) -> bool:
    """Return whether the server of an entry runs on this machine as our child."""
    return backend_of(data) in LOCAL_BACKENDS


@callback
def async_create_client(hass: HomeAssistant, data: Mapping[str, Any]) -> HomeLlmClient:
    """Return the client of an entry's data; that of a local server learns its address when the server starts."""
    session = async_get_clientsession(hass)
    if is_local(data):
        return HomeLlmClient(session, "http://127.0.0.1", kind=ServerKind.HOME_LLM)
    backend = backend_of(data)
    text = None
    if data.get(CONF_API_TYPE) == ApiType.TEXT:
        template = PromptTemplate(data.get(CONF_PROMPT_TEMPLATE, PromptTemplate.CHATML))
        text = TextMode(template, CallFormat(data.get(CONF_CALL_FORMAT, CallFormat.TOOL_CALL)))
    return HomeLlmClient(
        session,
        data[CONF_URL],
        data.get(CONF_API_KEY),
        admin_key=data.get(CONF_ADMIN_KEY),
        kind=None if backend is Backend.AUTO else ServerKind(backend.value),
        text=text,
        model=data.get(CONF_MODEL),
    )


async def async_start_backend(
    hass: HomeAssistant, entry: ConfigEntry, client: HomeLlmClient, on_change: Callable[[], None]
) -> None:
    """Get the backend of an entry ready: start the server that runs here, or let a remote one load its model.

    Args:
        hass: Home Assistant.
        entry: the entry, at whose end the server ends.
        client: its client.
        on_change: called when a server that runs here has gone, and when it is back.

    Raises:
        ConfigEntryNotReady: it cannot be made ready now.
    """
    try:
        if is_local(entry.data):
            await _async_start_server(hass, entry, client, on_change)
        elif model := entry.data.get(CONF_MODEL):
            await _async_load_model(client, model)
    except HomeLlmError as err:
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key=error_key(err),
            translation_placeholders={"message": str(err)},
        ) from err


async def _async_load_model(client: HomeLlmClient, model: str) -> None:
    """Let a remote server load the model that its entry names, where it has another or none.

    Raises:
        ConfigEntryNotReady: it has no such model, or the admin key is refused.
        HomeLlmError: the server failed.
    """
    if await client.async_loaded_model() == model:
        return
    try:
        if problem := unknown_model(model, await client.async_loadable_models()):
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN, translation_key=problem.key, translation_placeholders=problem.placeholders
            )
        LOGGER.debug("Loading the model %s", model)
        await client.async_load_model(model)
    except HomeLlmAuthenticationError as err:
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="invalid_admin_key",
            translation_placeholders={"message": str(err)},
        ) from err


async def _async_start_server(
    hass: HomeAssistant, entry: ConfigEntry, client: HomeLlmClient, on_change: Callable[[], None]
) -> None:
    server = LocalServer(async_get_clientsession(hass), local_options(hass, entry.data), client, on_change)
    await server.async_start()

    async def stop(_event: Event) -> None:
        await server.async_stop()

    # What is registered last is called first: the server ends with the entry and, without it, with Home Assistant.
    entry.async_on_unload(server.async_stop)
    entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, stop))


def local_options(hass: HomeAssistant, data: Mapping[str, Any]) -> LocalOptions:
    """Return what to run for an entry of a local kind."""
    if backend_of(data) is Backend.LOCAL_FILE:
        model = hass.config.path(data[CONF_FILE])
    else:
        # The flag --quant takes common ones only.
        quant = data.get(CONF_QUANT, AUTO_QUANT)
        model = data[CONF_REPOSITORY] if quant == AUTO_QUANT else f"{data[CONF_REPOSITORY]}:{quant}"
    return LocalOptions(
        command=data.get(CONF_COMMAND),
        model=model,
        context_size=int(data.get(CONF_CONTEXT_SIZE, 0)),
        threads=int(data.get(CONF_THREADS, 0)),
        hub_token=data.get(CONF_HUB_TOKEN),
        data_dir=data_folder(hass, data),
    )


def local_id(data: Mapping[str, Any]) -> str:
    """Return what tells local models apart; the same model is not set up twice."""
    if backend_of(data) is Backend.LOCAL_FILE:
        return f"{Backend.LOCAL_FILE}:{data[CONF_FILE]}"
    return f"{Backend.HUGGING_FACE}:{data[CONF_REPOSITORY]}:{data.get(CONF_QUANT, AUTO_QUANT)}".lower()


def data_folder(hass: HomeAssistant, data: Mapping[str, Any]) -> Path:
    """Return where a local server keeps its model and its state.

    The cache folder: what is in it can be had again, is large, and is left out of backups.
    """
    name = local_id(data)
    readable = re.sub(r"[^a-z0-9]+", "-", name.partition(":")[2].lower()).strip("-")[-60:]
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return Path(hass.config.cache_path(DOMAIN, f"{readable}-{digest}"))


async def async_forget_backend(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete what the server of a removed entry has stored on this machine."""
    if is_local(entry.data):
        folder = data_folder(hass, entry.data)
        await hass.async_add_executor_job(lambda: shutil.rmtree(folder, ignore_errors=True))
