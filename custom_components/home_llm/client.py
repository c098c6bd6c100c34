"""Talk to a Home LLM server, or to any server that speaks the OpenAI API.

Free of Home Assistant: it takes the aiohttp session to use.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import aiohttp

from .chat_events import ChatEvent, ChunkError, ChunkReader
from .client_errors import (
    HomeLlmAuthenticationError,
    HomeLlmConnectionError,
    HomeLlmError,
    HomeLlmRedirectError,
    HomeLlmResponseError,
    HomeLlmUnavailableError,
)
from .modalities import sees
from .refusals import error_message, location, status_error, stream_error
from .server_info import Health, ModelInfo, ServerInfo, host_and_port, normalize_url
from .server_kinds import ServerKind, async_identify
from .sse import SseDecoder, SseError
from .text_completions import TextMode, TextReader, text_request
from .text_tools import CallFormat

__all__ = [
    "Health",
    "HomeLlmAuthenticationError",
    "HomeLlmClient",
    "HomeLlmConnectionError",
    "HomeLlmError",
    "HomeLlmRedirectError",
    "HomeLlmResponseError",
    "HomeLlmUnavailableError",
    "ModelInfo",
    "ServerInfo",
    "ServerKind",
    "TextMode",
    "host_and_port",
    "normalize_url",
]

OWNED_BY_HOME_LLM = "home-llm"

# Listing models and health never wait for inference, so a server that takes longer has a problem.
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=10)
# How long an answer may take is for the caller to say; a server that is silent for so long has gone.
CHAT_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300)
# A large model is read from a slow disk.
LOAD_TIMEOUT = aiohttp.ClientTimeout(total=600, sock_connect=10)


class HomeLlmClient:
    """One server, reached through one session."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        api_key: str | None = None,
        *,
        admin_key: str | None = None,
        kind: ServerKind | None = None,
        text: TextMode | None = None,
        model: str | None = None,
    ) -> None:
        """Remember where the server is; nothing is sent yet.

        Args:
            session: what requests are made with.
            url: the address.
            api_key: for everything but models.
            admin_key: for listing and loading models; none is the API key.
            kind: the kind of server where it is known; none is to ask the server.
            text: how to write prompts for text completions; none is to use chat completions.
            model: what text-generation-webui is to load when it has none; the admin key is needed for that.
        """
        self._session = session
        self._chosen_kind = kind
        self._found_kind: ServerKind | None = None
        self._text = text
        self._model = model
        self._admin_key = admin_key
        self.async_move(url, api_key)

    def async_move(self, url: str, api_key: str | None) -> None:
        """Use another address and key from now on."""
        self.url = normalize_url(url)
        self._headers = _bearer(api_key)
        self._admin_headers = _bearer(self._admin_key or api_key)

    async def async_models(self) -> tuple[ModelInfo, ...]:
        """Return the server's models, the default one first.

        Raises:
            HomeLlmError: see the subclasses.
        """
        payload = await self._get_json("/v1/models")
        data = payload.get("data")
        if not isinstance(data, list):
            raise HomeLlmResponseError("The list of models has no data field")
        return tuple(_model(item, payload) for item in data if isinstance(item, Mapping) and item.get("id"))

    async def async_health(self) -> Health | None:
        """Return what a Home LLM server says about itself, or None when it is another kind of server."""
        try:
            payload = await self._get_json("/health")
        except (HomeLlmResponseError, HomeLlmUnavailableError, HomeLlmAuthenticationError):
            return None
        if not isinstance(payload.get("status"), str) or not isinstance(payload.get("version"), str):
            return None
        download = payload.get("download")
        percent = download.get("percent") if isinstance(download, Mapping) else None
        return Health(
            status=payload["status"],
            message=str(payload.get("message") or ""),
            version=payload["version"],
            model=str(payload["model"]) if payload.get("model") else None,
            percent=float(percent) if isinstance(percent, (int, float)) else None,
        )

    async def async_server_info(self) -> ServerInfo:
        """Return the models and whether the server is ours.

        Raises:
            HomeLlmError: see the subclasses.
        """
        models = await self.async_models()
        if self._chosen_kind not in (None, ServerKind.HOME_LLM):
            return await self._other_server(models, self._chosen_kind)
        is_home_llm = any(model.owned_by == OWNED_BY_HOME_LLM for model in models)
        # A Home LLM server may have no model to list; its health tells it apart.
        is_home_llm = is_home_llm or self._chosen_kind is ServerKind.HOME_LLM
        health = await self.async_health() if is_home_llm or not models else None
        if is_home_llm or health is not None:
            return ServerInfo(models, is_home_llm=True, health=health, kind=ServerKind.HOME_LLM)
        if self._found_kind is None:
            self._found_kind = await async_identify(self._get_json)
        return await self._other_server(models, self._found_kind)

    async def async_loaded_model(self) -> str | None:
        """Return the model that a server with text-generation-webui's routes has loaded.

        Raises:
            HomeLlmError: see the subclasses.
        """
        name = (await self._get_json("/v1/internal/model/info")).get("model_name")
        return name if isinstance(name, str) and name not in ("", "None") else None

    async def async_loadable_models(self) -> list[str]:
        """Return the models that a server with text-generation-webui's routes can load; needs the admin key.

        Raises:
            HomeLlmError: see the subclasses.
        """
        names = (await self._get_json("/v1/internal/model/list", self._admin_headers)).get("model_names")
        if not isinstance(names, list):
            raise HomeLlmResponseError("The list of models has no model_names field")
        return [name for name in names if isinstance(name, str) and name != "None"]

    async def async_load_model(self, name: str) -> None:
        """Let a server with text-generation-webui's routes load a model; needs the admin key.

        Raises:
            HomeLlmError: see the subclasses.
        """
        path = "/v1/internal/model/load"
        async with self._request("POST", path, LOAD_TIMEOUT, {"model_name": name}, self._admin_headers) as response:
            await response.read()

    async def _other_server(self, models: tuple[ModelInfo, ...], kind: ServerKind) -> ServerInfo:
        """Return what is known of a server that is not ours, its loaded model first."""
        if kind is ServerKind.WEBUI and (loaded := await self._webui_model()):
            first = next((model for model in models if model.model_id == loaded), ModelInfo(loaded, "", None))
            models = (first, *(model for model in models if model.model_id != loaded))
        # Good to have, and not needed.
        with suppress(HomeLlmError):
            if kind is ServerKind.LLAMA_SERVER and models:
                settings = (await self._get_json("/props")).get("default_generation_settings")
                size = settings.get("n_ctx") if isinstance(settings, Mapping) else None
                models = (replace(models[0], context_size=size if isinstance(size, int) else None), *models[1:])
        reads_home_calls = self._text is not None and self._text.call_format is CallFormat.HOME
        return ServerInfo(models, is_home_llm=False, health=None, kind=kind, reads_home_calls=reads_home_calls)

    async def _webui_model(self) -> str | None:
        """Return the model that text-generation-webui has; after a restart it has none until it is told."""
        try:
            loaded = await self.async_loaded_model()
        except HomeLlmError:
            return None
        # Another model than ours was loaded by somebody who wanted it.
        if loaded is None and self._model:
            await self.async_load_model(self._model)
            return self._model
        return loaded

    async def async_chat(self, request: Mapping[str, Any]) -> AsyncGenerator[ChatEvent]:
        """Stream the answer to a chat completion request; the stream field is added here.

        Raises:
            HomeLlmError: see the subclasses; also when the stream ends before the answer does.
        """
        reader: ChunkReader | TextReader
        if self._text is None:
            path, reader = "/v1/chat/completions", ChunkReader()
            body = {**request, "stream_options": {"include_usage": True}}
        else:
            path, (body, reader) = "/v1/completions", text_request(request, self._text)
        async with self._request("POST", path, CHAT_TIMEOUT, {**body, "stream": True}) as response:
            if response.content_type in ("application/json", "text/html"):
                message = await error_message(response)
                raise HomeLlmResponseError(f"The server did not stream its answer: {message}")
            async with aclosing(_chunks(response)) as chunks:
                async for chunk in chunks:
                    try:
                        for event in reader.read(chunk) if chunk is not None else reader.end():
                            yield event
                    except ChunkError as err:
                        raise HomeLlmResponseError(f"The answer cannot be read: {err}") from err
            if not reader.finished:
                raise HomeLlmConnectionError("The connection ended before the answer did")

    async def async_post_json(
        self, path: str, body: Mapping[str, Any], limits: aiohttp.ClientTimeout, *, key: str | None = None
    ) -> Any:
        """Send a JSON object, with another key than the API key where one is given, and return what comes back.

        Raises:
            HomeLlmError: see the subclasses.
        """
        headers = _bearer(key) if key else None
        async with self._request("POST", path, limits, body, headers) as response:
            try:
                return await response.json(content_type=None)
            except ValueError as err:
                raise HomeLlmResponseError(f"The server did not answer {path} with JSON") from err

    async def async_get_text(self, path: str, limits: aiohttp.ClientTimeout) -> str:
        """Return the text at a path.

        Raises:
            HomeLlmError: see the subclasses.
        """
        async with self._request("GET", path, limits) as response:
            return await response.text(errors="replace")

    async def _get_json(self, path: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """Return the JSON object at a path."""
        async with self._request("GET", path, REQUEST_TIMEOUT, headers=headers) as response:
            try:
                payload = await response.json(content_type=None)
            except ValueError as err:
                raise HomeLlmResponseError(f"The server did not answer {path} with JSON") from err
        if not isinstance(payload, Mapping):
            raise HomeLlmResponseError(f"The server did not answer {path} with a JSON object")
        return payload

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        limits: aiohttp.ClientTimeout,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send a request; map what goes wrong to our errors, also while the answer is read."""
        try:
            async with self._session.request(
                method,
                f"{self.url}{path}",
                headers=self._headers if headers is None else headers,
                json=body,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                if response.status in (301, 302, 303, 307, 308):
                    raise HomeLlmRedirectError(location(response))
                if response.status != 200:
                    raise status_error(response, await error_message(response))
                yield response
        except TimeoutError as err:
            raise HomeLlmConnectionError(f"No answer from {self.url} in time") from err
        except (aiohttp.ClientError, ValueError) as err:
            # aiohttp raises ValueError for addresses it cannot use.
            raise HomeLlmConnectionError(str(err) or type(err).__name__) from err


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[Mapping[str, Any] | None]:
    """Yield the JSON objects of an event stream, and None for its [DONE]."""
    decoder = SseDecoder()
    async for data in response.content.iter_any():
        try:
            events = decoder.feed(data)
        except SseError as err:
            raise HomeLlmResponseError(f"The answer is not an event stream: {err}") from err
        for event in events:
            if not event.strip():
                continue
            if event.strip() == "[DONE]":
                yield None
                return
            try:
                chunk = json.loads(event)
            except ValueError as err:
                raise HomeLlmResponseError(f"A chunk of the answer is not JSON: {event[:200]}") from err
            if not isinstance(chunk, Mapping):
                raise HomeLlmResponseError(f"A chunk of the answer is not an object: {event[:200]}")
            if error := chunk.get("error"):
                raise stream_error(error)
            yield chunk


def _model(item: Mapping[str, Any], listing: Mapping[str, Any]) -> ModelInfo:
    """Read one entry of the list of models."""
    meta = item.get("meta")
    context_size = meta.get("n_ctx") if isinstance(meta, Mapping) else None
    return ModelInfo(
        model_id=str(item["id"]),
        owned_by=str(item.get("owned_by") or ""),
        context_size=context_size if isinstance(context_size, int) else None,
        sees=sees(item, listing),
    )


def _bearer(key: str | None) -> dict[str, str]:
    """Return the header that a key is sent in."""
    return {"Authorization": f"Bearer {key}"} if key else {}
