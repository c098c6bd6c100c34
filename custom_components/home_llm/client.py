"""Talk to a Home LLM server, or to any server that speaks the OpenAI API.

Free of Home Assistant: it takes the aiohttp session to use.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from .chat_events import ChatEvent, ChunkError, ChunkReader
from .modalities import sees
from .sse import SseDecoder, SseError

OWNED_BY_HOME_LLM = "home-llm"

# Listing models and health never wait for inference, so a server that takes longer has a problem.
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=10)
# Home Assistant's voice pipeline gives up after five minutes.
CHAT_TIMEOUT = aiohttp.ClientTimeout(total=300, sock_connect=10)

MAX_ERROR_BYTES = 64 * 1024
MAX_MESSAGE_LENGTH = 500


class HomeLlmError(Exception):
    """Talking to the server failed."""


class HomeLlmConnectionError(HomeLlmError):
    """The server cannot be reached, or the connection broke."""


class HomeLlmAuthenticationError(HomeLlmError):
    """The server does not accept the API key."""


class HomeLlmUnavailableError(HomeLlmError):
    """The server is there but cannot answer now: it downloads, loads or is busy."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keep the seconds after which the server asks to be tried again."""
        super().__init__(message)
        self.retry_after = retry_after


class HomeLlmResponseError(HomeLlmError):
    """The server refused the request, or answered something that makes no sense."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of the server."""

    model_id: str
    owned_by: str
    context_size: int | None
    # Whether it looks at pictures; None where the server does not tell.
    sees: bool | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What a Home LLM server says about itself."""

    status: str
    message: str
    version: str
    model: str | None
    percent: float | None


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A server and its models, the default one first."""

    models: tuple[ModelInfo, ...]
    is_home_llm: bool
    health: Health | None

    @property
    def default_model(self) -> str | None:
        """Return the id of the model that is used when none is named."""
        return self.models[0].model_id if self.models else None


def normalize_url(url: str) -> str:
    """Return a base address without a trailing slash or /v1, as the client wants it."""
    return url.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def host_and_port(url: str) -> tuple[str | None, int | None]:
    """Return where an address points to, with the scheme's own port where none is written."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    return parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)


class HomeLlmClient:
    """One server, reached through one session."""

    def __init__(self, session: aiohttp.ClientSession, url: str, api_key: str | None = None) -> None:
        """Remember where the server is; nothing is sent yet."""
        self._session = session
        self.url = normalize_url(url)
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

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
        is_home_llm = any(model.owned_by == OWNED_BY_HOME_LLM for model in models)
        # A Home LLM server may have no model to list; its health tells it apart.
        health = await self.async_health() if is_home_llm or not models else None
        return ServerInfo(models, is_home_llm or health is not None, health)

    async def async_chat(self, request: Mapping[str, Any]) -> AsyncGenerator[ChatEvent]:
        """Stream the answer to a chat completion request; the stream field is added here.

        Raises:
            HomeLlmError: see the subclasses; also when the stream ends before the answer does.
        """
        body = {**request, "stream": True, "stream_options": {"include_usage": True}}
        async with self._request("POST", "/v1/chat/completions", CHAT_TIMEOUT, body) as response:
            if response.content_type in ("application/json", "text/html"):
                message = await _error_message(response)
                raise HomeLlmResponseError(f"The server did not stream its answer: {message}")
            reader = ChunkReader()
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
        async with self._request("POST", path, limits, body, key) as response:
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

    async def _get_json(self, path: str) -> Mapping[str, Any]:
        """Return the JSON object at a path."""
        async with self._request("GET", path, REQUEST_TIMEOUT) as response:
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
        key: str | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send a request; map what goes wrong to our errors, also while the answer is read."""
        headers = {"Authorization": f"Bearer {key}"} if key else self._headers
        try:
            async with self._session.request(
                method, f"{self.url}{path}", headers=headers, json=body, timeout=limits
            ) as response:
                if response.status != 200:
                    raise _status_error(response, await _error_message(response))
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
                raise _stream_error(error)
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


def _stream_error(error: Any) -> HomeLlmError:
    """Return the error that a server reports in the middle of a stream."""
    message = _message(error) or "The server reported an error"
    code = error.get("code") if isinstance(error, Mapping) else None
    if code in (401, 403):
        return HomeLlmAuthenticationError(message)
    if code in (429, 503):
        return HomeLlmUnavailableError(message)
    return HomeLlmResponseError(message)


def _status_error(response: aiohttp.ClientResponse, message: str) -> HomeLlmError:
    """Return the error that an HTTP status stands for."""
    if response.status in (401, 403):
        return HomeLlmAuthenticationError(message)
    if response.status in (429, 502, 503, 504):
        return HomeLlmUnavailableError(message, _retry_after(response.headers.get("Retry-After")))
    return HomeLlmResponseError(message)


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header; dates, which no inference server sends, are left out."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None


async def _error_message(response: aiohttp.ClientResponse) -> str:
    """Return what an answer that is not a stream says is wrong."""
    fallback = f"HTTP {response.status} {response.reason or ''}".strip()
    text = (await response.content.read(MAX_ERROR_BYTES)).decode(errors="replace")
    try:
        payload = json.loads(text)
    except ValueError:
        # A page from a proxy says less than the status does.
        return fallback if "<" in text or not text.strip() else text.strip()[:MAX_MESSAGE_LENGTH]
    if isinstance(payload, Mapping):
        return _message(payload.get("error")) or _message(payload.get("detail")) or fallback
    return fallback


def _message(error: Any) -> str:
    """Return the text of an error, which may be an object with a message or a plain string."""
    if isinstance(error, Mapping):
        error = error.get("message")
    return error.strip()[:MAX_MESSAGE_LENGTH] if isinstance(error, str) else ""
