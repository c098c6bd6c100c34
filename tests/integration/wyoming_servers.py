"""A recogniser and a voice that speak Wyoming over TCP: one hears what a test wants it to, the other makes noise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info, TtsProgram, TtsVoice
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped

RATE, WIDTH, CHANNELS = 16000, 2, 1
ABOUT = {"attribution": Attribution("nobody", ""), "installed": True, "description": None, "version": "1"}


@dataclass
class Heard:
    """What the recogniser is sent, and what it makes of it."""

    says: str
    seconds: float = 0.0
    language: str | None = None


@dataclass
class Spoken:
    """What the voice is sent: texts in the order in which they came."""

    texts: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def text(self) -> str:
        """Return everything."""
        return "".join(self.texts)


class Recogniser(AsyncEventHandler):
    """Speech to text: counts the audio, and answers at its end."""

    def __init__(self, heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        super().__init__(reader, writer)
        self._heard = heard

    async def handle_event(self, event: Event) -> bool:
        """Take an event; return whether there may be more."""
        if Describe.is_type(event.type):
            models = [AsrModel(name="words", languages=["en"], **ABOUT)]
            program = AsrProgram(name="Ear", models=models, requires_external_vad=False, **ABOUT)
            await self.write_event(Info(asr=[program]).event())
        elif Transcribe.is_type(event.type):
            self._heard.language = Transcribe.from_event(event).language
        elif AudioChunk.is_type(event.type):
            self._heard.seconds += AudioChunk.from_event(event).seconds
        elif AudioStop.is_type(event.type):
            await self.write_event(Transcript(self._heard.says).event())
            return False
        return True


class Voice(AsyncEventHandler):
    """Text to speech that begins with the first words: for each text a tenth of a second of noise."""

    def __init__(self, spoken: Spoken, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        super().__init__(reader, writer)
        self._spoken = spoken

    async def handle_event(self, event: Event) -> bool:
        """Take an event; return whether there may be more."""
        if Describe.is_type(event.type):
            voices = [TtsVoice(name="noise", languages=["en"], **ABOUT)]
            program = TtsProgram(name="Mouth", voices=voices, supports_synthesize_streaming=True, **ABOUT)
            await self.write_event(Info(tts=[program]).event())
        elif SynthesizeStart.is_type(event.type):
            await self.write_event(AudioStart(RATE, WIDTH, CHANNELS).event())
        elif SynthesizeChunk.is_type(event.type):
            self._spoken.texts.append(SynthesizeChunk.from_event(event).text)
            noise = b"\x10\x00\xf0\xff" * (RATE // 20)
            await self.write_event(AudioChunk(RATE, WIDTH, CHANNELS, noise).event())
        elif SynthesizeStop.is_type(event.type):
            self._spoken.ended = True
            await self.write_event(AudioStop().event())
            await self.write_event(SynthesizeStopped().event())
            return False
        return True


@asynccontextmanager
async def serving(handler: type[Recogniser | Voice], state: Heard | Spoken) -> AsyncGenerator[int]:
    """Serve on a free port, which is given."""
    server = AsyncTcpServer("127.0.0.1", 0)
    await server.start(partial(handler, state))
    listener = server._server
    assert listener is not None
    port: int = listener.sockets[0].getsockname()[1]
    try:
        yield port
    finally:
        await server.stop()
        listener.close()
