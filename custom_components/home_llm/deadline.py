"""The time that one turn may take: nobody stands in front of a loudspeaker for longer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .errors import AgentError

# Home Assistant's voice pipeline gives up after five minutes, without a word.
TURN_SECONDS = 240.0


@asynccontextmanager
async def turn_deadline() -> AsyncGenerator[None]:
    """End what takes too long.

    Raises:
        AgentError: it took too long.
    """
    try:
        async with asyncio.timeout(TURN_SECONDS):
            yield
    except TimeoutError as err:
        raise AgentError("too_slow") from err
