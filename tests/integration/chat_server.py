"""A scripted server that speaks the OpenAI API over real HTTP, byte for byte as the test wants it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass
class Answer:
    """What the server does with one chat request."""

    # An event among the bytes is waited for before the rest is sent.
    parts: list[bytes | asyncio.Event] = field(default_factory=list)
    status: int = 200
    content_type: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)
    # Drop the connection instead of ending the body.
    cut: bool = False
    # Wait for the client to go away instead of ending the body.
    hang: bool = False


def event(payload: Any) -> bytes:
    """Return one server-sent event."""
    return f"data: {payload if isinstance(payload, str) else json.dumps(payload)}\n\n".encode()


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    """Return one chat completion chunk."""
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
    )


def call(name: str, arguments: dict[str, Any], index: int = 0, call_id: str = "") -> bytes:
    """Return a chunk with one complete tool call, as our server sends them."""
    return chunk(
        {
            "tool_calls": [
                {
                    "index": index,
                    "id": call_id or f"call_{name}_{index}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(arguments)},
                }
            ]
        }
    )


def answer(*parts: bytes | str | asyncio.Event, finish: str = "stop") -> Answer:
    """Return a complete streamed answer: text, chunks such as calls, and what is waited for, in their order."""
    return Answer(
        [
            chunk({"role": "assistant", "content": None}),
            *(chunk({"content": part}) if isinstance(part, str) else part for part in parts),
            chunk({}, finish),
            event("[DONE]"),
        ]
    )


def error(status: int, message: str, **headers: str) -> Answer:
    """Return an HTTP error in OpenAI's shape."""
    body = json.dumps({"error": {"message": message, "type": "some_error", "code": status}})
    return Answer([body.encode()], status, "application/json", headers)


class ChatServer:
    """A server with a list of answers; it records what it is asked."""

    def __init__(self) -> None:
        """Be a Home LLM server without a key, until a test says otherwise."""
        self.answers: list[Answer] = []
        self.requests: list[dict[str, Any]] = []
        self.api_key: str | None = None
        self.owned_by = "home-llm"
        self.models: Any = None
        self.models_status = 200
        self.health: dict[str, Any] | None = {
            "status": "ok",
            "model": "embedded",
            "message": "Ready",
            "download": None,
            "version": "0.1.0",
        }
        # What the routes beside OpenAI's are sent, and say. Without an answer a route does not exist.
        self.warmed: list[dict[str, Any]] = []
        self.warm_answer: dict[str, Any] | None = {"object": "warm", "usage": {"prompt_tokens": 300}}
        self.warm_status = 200
        self.loads: list[tuple[str | None, dict[str, Any]]] = []
        self.load_answer: Any = "OK"
        self.load_status = 200
        self.metrics: str | None = None
        self.slots: Any = None
        # Where it counts tokens, one for each word, and what it was given to count.
        self.counts_at: str | None = "/tokenize"
        self.counted: list[str] = []
        self.aborted = asyncio.Event()
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Return the base address."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the port."""
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/internal/warm", self._warm)
        app.router.add_post("/v1/internal/model/load", self._load)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/slots", self._slots)
        app.router.add_post("/tokenize", self._count)
        app.router.add_post("/v1/internal/token-count", self._count)
        self.add_routes(app)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def add_routes(self, app: web.Application) -> None:
        """Add what other kinds of servers have; ours has nothing to add here."""

    async def stop(self) -> None:
        """Stop listening and drop all connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def script(self, answers: Iterable[Answer]) -> None:
        """Set the next answers."""
        self.answers = list(answers)

    def _refuse(self, request: web.Request) -> web.Response | None:
        if self.api_key is None or request.headers.get("Authorization") == f"Bearer {self.api_key}":
            return None
        body = {"error": {"message": "Wrong API key", "type": "authentication_error", "code": 401}}
        return web.json_response(body, status=401)

    async def _health(self, _request: web.Request) -> web.Response:
        if self.health is None:
            return web.Response(status=404, text="<html>Not found</html>", content_type="text/html")
        return web.json_response(self.health)

    async def _models(self, request: web.Request) -> web.Response:
        if refusal := self._refuse(request):
            return refusal
        if isinstance(self.models, str):
            return web.Response(text=self.models, content_type="text/html", status=self.models_status)
        models = self.models
        if models is None:
            models = [{"id": "embedded", "object": "model", "owned_by": self.owned_by, "meta": {"n_ctx": 2048}}]
        return web.json_response({"object": "list", "data": models}, status=self.models_status)

    async def _warm(self, request: web.Request) -> web.Response:
        if refusal := self._refuse(request):
            return refusal
        if self.warm_answer is None:
            raise web.HTTPNotFound
        self.warmed.append(await request.json())
        return web.json_response(self.warm_answer, status=self.warm_status)

    async def _load(self, request: web.Request) -> web.Response:
        self.loads.append((request.headers.get("Authorization"), await request.json()))
        if isinstance(self.load_answer, bytes):
            return web.Response(body=self.load_answer, content_type="text/html")
        return web.json_response(self.load_answer, status=self.load_status)

    async def _metrics(self, request: web.Request) -> web.Response:
        if refusal := self._refuse(request):
            return refusal
        if self.metrics is None:
            raise web.HTTPNotFound
        return web.Response(text=self.metrics)

    async def _slots(self, _request: web.Request) -> web.Response:
        if self.slots is None:
            raise web.HTTPNotFound
        return web.json_response(self.slots)

    async def _count(self, request: web.Request) -> web.Response:
        if request.path != self.counts_at:
            return web.Response(status=404, text="<html>Not found</html>", content_type="text/html")
        body = await request.json()
        text = body["content" if request.path == "/tokenize" else "text"]
        self.counted.append(text)
        words = text.split()
        tokens = list(range(len(words)))
        return web.json_response({"tokens": tokens} if request.path == "/tokenize" else {"length": len(words)})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refuse(request):
            return refusal
        self.requests.append(await request.json())
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if not self.answers:
            return web.json_response({"error": {"message": "the script is over"}}, status=500)
        script = self.answers.pop(0)
        headers = {"Content-Type": script.content_type, **script.headers}
        response = web.StreamResponse(status=script.status, headers=headers)
        await response.prepare(request)
        try:
            for part in script.parts:
                if isinstance(part, asyncio.Event):
                    await part.wait()
                else:
                    await response.write(part)
            if script.hang:
                await asyncio.sleep(60)
        except (asyncio.CancelledError, ConnectionError):
            self.aborted.set()
            raise
        if script.cut and request.transport is not None:
            request.transport.abort()
        return response
