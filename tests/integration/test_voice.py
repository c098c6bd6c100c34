"""Home Assistant's own voice pipeline around the agent: audio in, audio out, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import stt
from homeassistant.components.assist_pipeline import (
    AudioSettings,
    PipelineEvent,
    PipelineEventType,
    async_get_pipelines,
    async_pipeline_from_audio_stream,
    async_update_pipeline,
)
from homeassistant.components.tts import ATTR_PREFERRED_FORMAT
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import Context, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.integration.chat_server import ChatServer, answer, call
from tests.integration.conversing import AGENT, is_on
from tests.integration.wyoming_servers import CHANNELS, RATE, WIDTH, Heard, Recogniser, Spoken, Voice, serving

SECONDS = 0.5
# Home Assistant begins to speak behind sixty characters.
FIRST = "The light in the kitchen is on now, exactly as you wished it to be a moment ago. "
REST = "The one in the bedroom is still off."


@pytest.fixture(name="heard")
async def heard_fixture(hass: HomeAssistant, entry: MockConfigEntry) -> AsyncGenerator[Heard]:
    """Add a recogniser."""
    heard = Heard("turn on the light")
    async with serving(Recogniser, heard) as port:
        await add_wyoming(hass, port)
        yield heard


@pytest.fixture(name="spoken")
async def spoken_fixture(hass: HomeAssistant, entry: MockConfigEntry, tmp_path: Path) -> AsyncGenerator[Spoken]:
    """Add a voice, whose memory is a folder of this test's."""
    assert await async_setup_component(hass, "tts", {"tts": {"cache_dir": str(tmp_path)}})
    spoken = Spoken()
    async with serving(Voice, spoken) as port:
        await add_wyoming(hass, port)
        yield spoken


@pytest.fixture(name="satellite")
async def satellite_fixture(hass: HomeAssistant, house: None) -> str:
    """Put a satellite and a lamp into the kitchen, and another lamp into the bedroom; return the satellite."""
    areas = {name: ar.async_get(hass).async_create(name).id for name in ("Kitchen", "Bedroom")}
    for name, area_id in areas.items():
        er.async_get(hass).async_update_entity(f"light.{name.lower()}_light", area_id=area_id)
    owner = MockConfigEntry(domain="esphome")
    owner.add_to_hass(hass)
    devices = dr.async_get(hass)
    device = devices.async_get_or_create(config_entry_id=owner.entry_id, identifiers={("esphome", "box")})
    devices.async_update_device(device.id, area_id=areas["Kitchen"])
    return device.id


async def add_wyoming(hass: HomeAssistant, port: int) -> None:
    """Add a Wyoming server through its form."""
    flows = hass.config_entries.flow
    form = await flows.async_init("wyoming", context={"source": SOURCE_USER})
    made = await flows.async_configure(form["flow_id"], {"host": "127.0.0.1", "port": port})
    assert made["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def audio() -> AsyncGenerator[bytes]:
    """Yield half a second of silence, as a microphone does."""
    for _ in range(int(SECONDS * 100)):
        yield bytes(RATE // 100 * WIDTH * CHANNELS)


async def test_audio_to_audio(
    hass: HomeAssistant,
    server: ChatServer,
    heard: Heard,
    spoken: Spoken,
    satellite: str,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """Speech begins before the answer is complete, and the model knows where the satellite stands."""
    assert await async_setup_component(hass, "assist_pipeline", {})
    (pipeline,) = async_get_pipelines(hass)
    await async_update_pipeline(
        hass,
        pipeline,
        conversation_engine=AGENT,
        stt_engine="stt.ear",
        stt_language="en",
        tts_engine="tts.mouth",
        tts_language="en",
    )
    client = await hass_client_no_auth()
    sounding = asyncio.Event()
    events: list[PipelineEvent] = []
    listening: list[asyncio.Task[bytes]] = []

    async def listen(url: str) -> bytes:
        """Fetch the speech as a satellite does; the first sound lets the model go on."""
        sound = b""
        async with client.get(url) as response:
            assert response.status == 200
            async for chunk in response.content.iter_any():
                sound += chunk
                # The header of a WAV file is no sound yet.
                if len(sound) > 100:
                    sounding.set()
        return sound

    def follow(event: PipelineEvent) -> None:
        events.append(event)
        if event.type is PipelineEventType.RUN_START and event.data:
            assert event.data["tts_output"]["stream_response"]
            listening.append(hass.async_create_task(listen(event.data["tts_output"]["url"])))

    switch = call("light.turn_on", {"entity_id": "area.kitchen"})
    server.script([answer(switch, FIRST, sounding, REST)])
    async with asyncio.timeout(20):
        await async_pipeline_from_audio_stream(
            hass,
            context=Context(),
            event_callback=follow,
            stt_metadata=stt.SpeechMetadata(
                language="en",
                format=stt.AudioFormats.WAV,
                codec=stt.AudioCodecs.PCM,
                bit_rate=stt.AudioBitRates.BITRATE_16,
                sample_rate=stt.AudioSampleRates.SAMPLERATE_16000,
                channel=stt.AudioChannels.CHANNEL_MONO,
            ),
            stt_stream=audio(),
            # As the voice makes it, so that nothing has to convert it.
            tts_audio_output={ATTR_PREFERRED_FORMAT: "wav"},
            audio_settings=AudioSettings(is_vad_enabled=False),
            device_id=satellite,
        )
        sound = await listening[0]

    # What was said reached the recogniser, and its words the model, with the place where they were said.
    assert heard.seconds == pytest.approx(SECONDS, abs=0.1)
    assert heard.language == "en"
    (request,) = server.requests
    assert request["messages"][-1]["content"] == "turn on the light"
    assert request["messages"][0]["content"].endswith("The user is in this area: Kitchen.")
    assert is_on(hass, "light.kitchen_light")
    assert not is_on(hass, "light.bedroom_light")
    # The server held the rest of the answer back until the satellite had heard something.
    assert sounding.is_set()
    types = [event.type for event in events]
    starts = [event for event in events if event.type is PipelineEventType.INTENT_PROGRESS]
    assert any((event.data or {}).get("tts_start_streaming") for event in starts)
    assert PipelineEventType.ERROR not in types
    ended = next(event.data for event in events if event.type is PipelineEventType.INTENT_END)
    assert ended is not None
    assert said(ended["intent_output"]) == FIRST + REST
    # All of it was spoken, in several pieces, the first of which is not all.
    assert spoken.text == FIRST + REST
    assert len(spoken.texts) > 1
    assert spoken.ended
    assert sound.startswith(b"RIFF")
    assert len(sound) > len(spoken.texts) * RATE // 10 * WIDTH


def said(output: dict[str, Any]) -> str:
    """Return what the agent said."""
    return str(output["response"]["speech"]["plain"]["speech"])
