"""The time that one turn may take: nobody stands in front of a loudspeaker for longer, and an automation goes on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .errors import AgentError

# Home Assistant's voice pipeline gives up after five minutes, without a word.
TURN_SECONDS = 240.0
# What an automation waits for may be long, and be made by a small machine.
TOKEN_SECONDS = 1.0


@asynccontextmanager
async def turn_deadline(tokens: int = 0) -> AsyncGenerator[None]:
    """End what takes too long.

    Args:
        tokens: of an answer that nobody stands and waits for; each of them gets a second more.

    Raises:
        AgentError: it took too long.
    """
    try:
        async with asyncio.timeout(TURN_SECONDS + tokens * TOKEN_SECONDS):
            yield
    except TimeoutError as err:
        raise AgentError("too_slow") from err
