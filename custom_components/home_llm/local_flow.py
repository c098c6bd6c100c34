"""The steps that run a model on this machine: the program, the model, and getting it while the user watches."""

import asyncio
import os
from pathlib import Path
from typing import Any

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .backend import backend_of, local_id, local_options
from .client import HomeLlmError, ServerInfo, ServerKind
from .client_errors import LocalServerError
from .const import (
    CONF_BACKEND,
    CONF_COMMAND,
    CONF_FILE,
    CONF_HUB_TOKEN,
    CONF_QUANT,
    CONF_REPOSITORY,
    LOGGER,
    Backend,
)
from .first_agents import first_agents
from .flow_schemas import (
    CONF_ADVANCED,
    FILE_SCHEMA,
    PROGRAM_SCHEMA,
    limits,
    quant_schema,
    repository_schema,
)
from .local_command import INSTALL, async_catalogue, async_probe, async_quants, find_command
from .local_process import LocalProcess

_LOOK_SECONDS = 0.5


class LocalSteps(ConfigFlow):
    """Find the program, choose a model, and try it once before the entry is made."""

    _command: Path
    _catalogue: dict[str, str]
    _quants: dict[str, str]
    _data: dict[str, Any]
    _placeholders: dict[str, str]
    _trial: asyncio.Task[None] | None = None
    _failure: LocalServerError | None = None

    async def async_step_hugging_face(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> ConfigFlowResult:
        """Run llama.cpp here with a model from Hugging Face."""
        self._data = {CONF_BACKEND: Backend.HUGGING_FACE.value}
        return await self.async_step_program()

    async def async_step_local_file(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> ConfigFlowResult:
        """Run llama.cpp here with a file that is here already."""
        self._data = {CONF_BACKEND: Backend.LOCAL_FILE.value}
        return await self.async_step_program()

    async def async_step_program(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Find the program and see that it runs; ask only where that fails."""
        configured = str((user_input or {}).get(CONF_COMMAND) or "").strip() or None
        try:
            await self._async_use_program(configured)
        except LocalServerError as err:
            return self.async_show_form(
                step_id="program",
                data_schema=self.add_suggested_values_to_schema(PROGRAM_SCHEMA, user_input),
                errors={"base": err.key},
                description_placeholders=self._shown(err),
            )
        if configured:
            self._data[CONF_COMMAND] = configured
        if backend_of(self._data) is Backend.LOCAL_FILE:
            return await self.async_step_file()
        self._catalogue = await async_catalogue(self._command)
        return await self.async_step_repository()

    async def async_step_repository(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the repository, and the hub for what it has."""
        errors: dict[str, str] = {}
        if user_input is not None:
            repository = user_input[CONF_REPOSITORY].strip()
            options = limits(user_input.get(CONF_ADVANCED, {}))
            try:
                self._quants = await async_quants(self._command, repository, options.get(CONF_HUB_TOKEN))
            except LocalServerError as err:
                errors["base"] = err.key
                self._placeholders = {**self._placeholders, **self._shown(err)}
            else:
                self._data |= {CONF_REPOSITORY: repository, **options}
                # The model that comes with the program is one file.
                return await (self.async_step_quant() if self._quants else self._async_take())
        return self.async_show_form(
            step_id="repository",
            data_schema=self.add_suggested_values_to_schema(repository_schema(self._catalogue), user_input),
            errors=errors,
            description_placeholders=self._placeholders,
        )

    async def async_step_quant(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the quant."""
        if user_input is not None:
            self._data[CONF_QUANT] = user_input[CONF_QUANT]
            return await self._async_take()
        return self.async_show_form(
            step_id="quant",
            data_schema=quant_schema(self._quants),
            description_placeholders={"model": self._data[CONF_REPOSITORY]},
        )

    async def async_step_file(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the file."""
        errors: dict[str, str] = {}
        if user_input is not None:
            file = user_input[CONF_FILE].strip()
            if await self.hass.async_add_executor_job(_is_readable, self.hass.config.path(file)):
                self._data |= {CONF_FILE: file, **limits(user_input.get(CONF_ADVANCED, {}))}
                return await self._async_take()
            errors[CONF_FILE] = "no_such_file"
        return self.async_show_form(
            step_id="file",
            data_schema=self.add_suggested_values_to_schema(FILE_SCHEMA, user_input),
            errors=errors,
            description_placeholders={"folder": self.hass.config.config_dir},
        )

    async def async_step_download(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> ConfigFlowResult:
        """Get the model and load it once, and show how far that is."""
        if self._trial is None:
            self._failure = None
            self._trial = self.hass.async_create_task(self._async_try_model(), eager_start=False)
        if not self._trial.done():
            return self.async_show_progress(
                step_id="download",
                progress_action="download",
                description_placeholders={"model": self._model},
                progress_task=self._trial,
            )
        trial, self._trial = self._trial, None
        try:
            trial.result()
        except LocalServerError as err:
            self._failure = err
            return self.async_show_progress_done(next_step_id="download_failed")
        return self.async_show_progress_done(next_step_id="finish")

    async def async_step_download_failed(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Say what went wrong; another submit tries again, and goes on where a download stopped."""
        if user_input is not None or self._failure is None:
            return await self.async_step_download()
        return self.async_show_form(
            step_id="download_failed",
            errors={"base": self._failure.key},
            description_placeholders={**self._shown(self._failure), "model": self._model},
        )

    async def async_step_finish(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> ConfigFlowResult:
        """Create the entry together with its first agents."""
        server = ServerInfo((), is_home_llm=True, health=None, kind=ServerKind.HOME_LLM)
        return self.async_create_entry(title=self._model, data=self._data, subentries=first_agents(server))

    async def _async_check_program(self, user_input: dict[str, Any]) -> dict[str, str]:
        """Return what is wrong with the program of a form, as the form's errors."""
        try:
            await self._async_use_program(str(user_input.get(CONF_COMMAND) or "").strip() or None)
        except LocalServerError as err:
            self._placeholders = {**self._placeholders, **self._shown(err)}
            return {"base": err.key}
        return {}

    @property
    def _model(self) -> str:
        """Return the model as people know it."""
        if backend_of(self._data) is Backend.LOCAL_FILE:
            return Path(self._data[CONF_FILE]).stem
        return str(self._data[CONF_REPOSITORY]).rpartition("/")[2]

    async def _async_take(self) -> ConfigFlowResult:
        """Get the model that was chosen, unless it is set up already."""
        await self.async_set_unique_id(local_id(self._data))
        self._abort_if_unique_id_configured()
        return await self.async_step_download()

    async def _async_use_program(self, configured: str | None) -> None:
        """Find the program and run it once.

        Raises:
            LocalServerError: there is none, or it does not run here.
        """
        command = await self.hass.async_add_executor_job(find_command, configured)
        if command is None:
            raise LocalServerError("local_missing", INSTALL)
        await async_probe(command)
        self._command = command

    async def _async_try_model(self) -> None:
        """Run the server with the model until it is loaded.

        Raises:
            LocalServerError: the model cannot be had or loaded, or the server does not survive it.
        """
        process = LocalProcess(async_get_clientsession(self.hass), local_options(self.hass, self._data))
        trial = asyncio.current_task()

        @callback
        def stop(_event: Event) -> None:
            if trial is not None:
                trial.cancel()

        forget = self.hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, stop)
        try:
            await process.async_start()
            ended = asyncio.create_task(process.async_wait())
            try:
                while not ended.done():
                    if await self._async_is_loaded(process):
                        return
                    await asyncio.wait({ended}, timeout=_LOOK_SECONDS)
                raise ended.result()
            finally:
                ended.cancel()
                await asyncio.wait({ended})
        except LocalServerError as err:
            LOGGER.warning("%s cannot be used here (%s): %s", self._model, err.key, err)
            raise
        finally:
            forget()
            await process.async_stop()

    async def _async_is_loaded(self, process: LocalProcess) -> bool:
        """Look how far the server is, and show it.

        Raises:
            LocalServerError: the model cannot be had or loaded.
        """
        try:
            health = await process.async_health()
        except HomeLlmError:
            return False
        if health.status == "error":
            raise LocalServerError("local_model", health.message)
        if health.percent is not None:
            self.async_update_progress(min(1.0, health.percent / 100))
        return health.status == "ok"

    def _shown(self, err: LocalServerError) -> dict[str, str]:
        return {"message": str(err), "install": INSTALL}


def _is_readable(path: str) -> bool:
    return Path(path).is_file() and os.access(path, os.R_OK)
