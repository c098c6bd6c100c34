"""AI tasks, warm prompts and actions of a real Home Assistant with the real server and its embedded model."""

import asyncio
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm.ai_task_flow import default_task
from custom_components.home_llm.server_routes import async_queue

from .conftest import Server

AGENT = "conversation.al"


@pytest.fixture(name="entry")
async def entry_fixture(hass: HomeAssistant, house: None, server: Server) -> MockConfigEntry:
    """Set up the server with an agent and an AI task, and wait until the prompt is warm."""
    agent: Any = {"subentry_type": "conversation", "title": "Al", "data": {"tool_mode": "home"}, "unique_id": None}
    entry = MockConfigEntry(
        domain="home_llm",
        title="Home LLM",
        data={"url": f"http://127.0.0.1:{server.port}", "api_key": server.api_key},
        subentries_data=[agent, default_task()],
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    return entry


async def _act(hass: HomeAssistant, action: str, **data: Any) -> Any:
    domain, service = action.split(".")
    return await hass.services.async_call(domain, service, data, blocking=True, return_response=True)


async def test_what_is_warmed_is_what_a_turn_begins_with(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The first command after the start waits for its own words only: all else is found in the cache."""
    answer = await _act(hass, "home_llm.ask", entity_id=AGENT, text="turn on the kitchen light")
    tokens = answer["tokens"]
    assert tokens["prompt"] > 100
    # Left are the words of the user and what the template puts around them.
    assert tokens["prompt"] - tokens["cached"] < 30
    assert [(call["tool"], call["success"]) for call in answer["calls"]] == [("light.turn_on", True)]
    assert answer["latency"]["tokens_per_second"] > 0
    warmed = (await _act(hass, "home_llm.warm", entity_id=AGENT))["agents"][AGENT]
    assert 0 < warmed["prompt_tokens"] < tokens["prompt"]


async def test_data_fit_the_structure(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Whatever a very small model thinks, the server's grammar makes its answer fit."""
    result = await _act(
        hass,
        "ai_task.generate_data",
        entity_id="ai_task.home_llm_ai_task",
        task_name="parcel",
        instructions="DHL brings your parcel today before noon. Which carrier is it, and does it come today?",
        structure={
            "carrier": {"required": True, "selector": {"select": {"options": ["DHL", "UPS", "other"]}}},
            "today": {"required": True, "description": "Whether it comes today", "selector": {"boolean": {}}},
            "count": {"required": True, "selector": {"number": {"min": 0, "max": 9}}},
        },
    )
    data = result["data"]
    assert set(data) == {"carrier", "today", "count"}
    assert data["carrier"] in ("DHL", "UPS", "other")
    assert isinstance(data["today"], bool)
    assert 0 <= data["count"] <= 9


async def test_text(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Without a structure the answer is words."""
    data = {"entity_id": "ai_task.home_llm_ai_task", "task_name": "greeting", "instructions": "Say good morning."}
    assert (await _act(hass, "ai_task.generate_data", **data))["data"].strip()


async def test_load_model(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The server loads a model that it has, and refuses one that it has not with its own words."""
    loaded = await _act(hass, "home_llm.load_model", model="embedded", context_size=2048)
    assert loaded["context_size"] == 2048
    assert loaded["model"] == "home-135m"
    with pytest.raises(Exception, match="nobody/nothing") as raised:
        await _act(hass, "home_llm.load_model", model="nobody/nothing")
    assert getattr(raised.value, "translation_key", None) == "load_failed"


async def test_the_queue(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The server's metrics are understood, and show that nobody waits once all is answered."""
    # A client has its answer a moment before the server has counted it.
    for _ in range(100):
        queue = await async_queue(entry.runtime_data.client)
        assert queue is not None
        if not queue.length:
            break
        await asyncio.sleep(0.1)
    assert queue.length == 0
