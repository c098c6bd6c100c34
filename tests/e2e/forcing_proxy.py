"""What stands between an agent and its server, so that every answer has to be calls."""

from __future__ import annotations

import json
from typing import Self

import aiohttp
from aiohttp import web


class ForcingProxy:
    """Passes everything on, and adds to chat requests that the model must call something."""

    def __init__(self, port: int) -> None:
        """Stand before a server of this machine."""
        self._server = f"http://127.0.0.1:{port}"
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the port."""
        assert self._runner is not None
        assert self._session is not None
        await self._runner.cleanup()
        await self._session.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        body = await request.read()
        if request.path.endswith("/chat/completions"):
            body = json.dumps({**json.loads(body), "tool_choice": "required"}).encode()
        headers = {"Authorization": request.headers.get("Authorization", ""), "Content-Type": "application/json"}
        url = f"{self._server}{request.path_qs}"
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for part in answer.content.iter_any():
                await response.write(part)
            return response
