"""Servers of other kinds, as far as the integration asks them anything."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from tests.integration.chat_server import Answer, ChatServer, event


def text(*parts: str, finish: str = "stop") -> Answer:
    """Return a complete streamed text completion."""
    chunks = [event({"choices": [{"index": 0, "text": part, "finish_reason": None}]}) for part in parts]
    return Answer([*chunks, event({"choices": [{"index": 0, "text": "", "finish_reason": finish}]}), event("[DONE]")])


class OtherServer(ChatServer):
    """A server that is not ours; each attribute that is set gives it the routes of a kind."""

    def __init__(self) -> None:
        """Be any OpenAI server, until a test says otherwise."""
        super().__init__()
        self.owned_by = "user"
        self.health = None
        self.props: dict[str, Any] | None = None
        self.ollama_version: str | None = None
        self.loaded: str | None = None
        self.loadable: list[str] | None = None
        self.admin_key: str | None = None
        self.completions: list[dict[str, Any]] = []
        self.loads: list[str] = []
        # What happens to whoever asks for the models: redirect, hang or close.
        self.trouble = ""
        self.location = "/elsewhere/v1/models"

    def become_webui(self, *names: str) -> None:
        """Be text-generation-webui with these models, the first one loaded."""
        self.loaded, self.loadable = names[0], list(names)
        self.models = [{"id": name, "object": "model", "owned_by": "user"} for name in reversed(names)]

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of all kinds; those that are not set are not found."""
        app.router.add_get("/props", self._props)
        app.router.add_get("/api/version", self._version)
        app.router.add_get("/v1/internal/model/info", self._info)
        app.router.add_get("/v1/internal/model/list", self._list)
        app.router.add_post("/v1/internal/model/load", self._load)
        app.router.add_post("/v1/completions", self._complete)

    async def _models(self, request: web.Request) -> web.Response:
        match self.trouble:
            case "redirect":
                return web.Response(status=302, headers={"Location": self.location})
            case "hang":
                await asyncio.sleep(60)
            case "close":
                assert request.transport is not None
                request.transport.abort()
        return await super()._models(request)

    async def _props(self, request: web.Request) -> web.Response:
        return self._refuse(request) or _found(self.props)

    async def _version(self, _request: web.Request) -> web.Response:
        return _found(self.ollama_version and {"version": self.ollama_version})

    async def _info(self, request: web.Request) -> web.Response:
        info = {"model_name": self.loaded or "None", "lora_names": [], "loader": "llama.cpp"}
        return self._refuse(request) or _found(None if self.loadable is None else info)

    async def _list(self, request: web.Request) -> web.Response:
        names = None if self.loadable is None else {"model_names": self.loadable}
        return self._refuse_admin(request) or _found(names)

    async def _load(self, request: web.Request) -> web.Response:
        if refusal := self._refuse_admin(request):
            return refusal
        name = (await request.json())["model_name"]
        self.loads.append(name)
        if self.loadable is None or name not in self.loadable:
            return web.json_response({"detail": "Failed to load the model."}, status=500)
        self.loaded = name
        return web.json_response("OK")

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refuse(request):
            return refusal
        self.completions.append(await request.json())
        return await self._answer(request)

    def _refuse_admin(self, request: web.Request) -> web.Response | None:
        if self.admin_key is None or request.headers.get("Authorization") == f"Bearer {self.admin_key}":
            return None
        return web.json_response({"detail": "Unauthorized"}, status=401)


def _found(body: Any) -> web.Response:
    if not body:
        return web.json_response({"detail": "Not Found"}, status=404)
    return web.json_response(body)
