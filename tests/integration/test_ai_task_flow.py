"""Adding and changing AI tasks."""

from __future__ import annotations

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm.ai_task_flow import default_task
from tests.integration.chat_server import ChatServer
from tests.integration.test_subentry_flow import fill, suggested


async def test_add_a_task(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """One form with sensible values makes an entity; a model that was left empty is not stored."""
    flows = hass.config_entries.subentries
    result = await flows.async_init((entry.entry_id, "ai_task_data"), context={"source": SOURCE_USER})
    assert result["step_id"] == "task"
    assert suggested(result) == {"name": "Home LLM AI Task", "model": None, "max_tokens": 1024, "temperature": 0.0}
    result = await fill(hass, result, name=" ", max_tokens=200.0, temperature=0.5)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    task = list(entry.subentries.values())[-1]
    assert task.title == "Home LLM AI Task"
    assert task.data == {"max_tokens": 200, "temperature": 0.5}
    assert hass.states.get("ai_task.home_llm_ai_task") is not None


async def test_change_a_task(hass: HomeAssistant, server: ChatServer) -> None:
    """The form shows what is set; a model is stored, and taken away when it is emptied."""
    entry = MockConfigEntry(domain="home_llm", data={"url": server.url}, subentries_data=[default_task()])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    task_id = next(iter(entry.subentries))
    result = await entry.start_subentry_reconfigure_flow(hass, task_id)
    result = await fill(hass, result, name="Writer", model="big", max_tokens=100, temperature=0)
    assert result["reason"] == "reconfigure_successful"
    assert entry.subentries[task_id].title == "Writer"
    assert entry.subentries[task_id].data == {"model": "big", "max_tokens": 100, "temperature": 0.0}
    await hass.async_block_till_done()
    result = await entry.start_subentry_reconfigure_flow(hass, task_id)
    assert suggested(result) == {"name": "Writer", "model": "big", "max_tokens": 100, "temperature": 0.0}
    await fill(hass, result, name="Writer", max_tokens=100, temperature=0)
    assert "model" not in entry.subentries[task_id].data
    await hass.async_block_till_done()


async def test_a_server_that_is_not_loaded(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Its models are not known, so that the form is not shown."""
    await hass.config_entries.async_unload(entry.entry_id)
    flows = hass.config_entries.subentries
    result = await flows.async_init((entry.entry_id, "ai_task_data"), context={"source": SOURCE_USER})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "entry_not_loaded"
