"""The server of an entry that runs on this machine: started, watched, started again, and ended."""

import asyncio
from collections.abc import Callable

import aiohttp

from .client import HomeLlmClient
from .client_errors import HomeLlmError, LocalServerError
from .const import LOGGER
from .local_process import LocalOptions, LocalProcess

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
# A server that ran this long did not end because of how it was started.
STABLE_SECONDS = 300.0
# A server answers about its health also while it computes; one that does not is stuck.
LOOK_SECONDS = 30.0
MISSED_LOOKS = 3
# While the model is downloaded or loaded.
WAITING_LOOK_SECONDS = 1.0


class LocalServer:
    """Keeps a server running, and a client pointed at it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        options: LocalOptions,
        client: HomeLlmClient,
        on_change: Callable[[], None],
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            session: what requests are made with.
            options: what to run.
            client: is given the address and the key of each run.
            on_change: called when the server has gone, and when it is back.
        """
        self._session = session
        self._options = options
        self._client = client
        self._on_change = on_change
        self._process: LocalProcess | None = None
        self._watch: asyncio.Task[None] | None = None

    async def async_start(self) -> None:
        """Start the server, and watch it from then on.

        Raises:
            LocalServerError: it cannot be started; it is not tried again from here.
        """
        await self._start()
        self._watch = asyncio.create_task(self._keep_running(), name="home_llm local server")

    async def async_stop(self) -> None:
        """End the server and do not start it again."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None
        if self._process is not None:
            await self._process.async_stop()
            self._process = None

    async def _start(self) -> None:
        process = LocalProcess(self._session, self._options)
        await process.async_start()
        self._process = process
        self._client.async_move(process.url, process.api_key)

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        delay = FIRST_DELAY
        while self._process is not None:
            began = loop.time()
            error = await self._ended(self._process)
            if loop.time() - began >= STABLE_SECONDS:
                delay = FIRST_DELAY
            LOGGER.error("The local server ended (%s: %s) and is started again in %.0f s", error.key, error, delay)
            self._on_change()
            while True:
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)
                try:
                    await self._start()
                except LocalServerError as err:
                    LOGGER.error("The local server cannot be started (%s: %s), next in %.0f s", err.key, err, delay)
                else:
                    break
            LOGGER.info("The local server runs again")
            self._on_change()

    async def _ended(self, process: LocalProcess) -> LocalServerError:
        """Wait until the server has ended, and end one that is stuck; return why."""
        ended = asyncio.create_task(process.async_wait())
        try:
            status = ""
            missed = 0
            while not ended.done() and missed < MISSED_LOOKS:
                ready = status in ("ok", "error")
                await asyncio.wait({ended}, timeout=LOOK_SECONDS if ready else WAITING_LOOK_SECONDS)
                if ended.done():
                    break
                try:
                    health = await process.async_health()
                except HomeLlmError:
                    missed += 1
                else:
                    missed = 0
                    if health.status != status:
                        status = health.status
                        self._on_change()
            return ended.result() if ended.done() else LocalServerError("local_hangs")
        finally:
            ended.cancel()
            await asyncio.wait({ended})
            await process.async_stop()
