"""Nothing that the integration does holds up Home Assistant: its own watch over blocking calls finds none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from homeassistant import block_async_io
from homeassistant.components import ai_task
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.core import Context, HomeAssistant
from homeassistant.util import loop as loop_util
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm.ai_task_flow import default_task
from custom_components.home_llm.diagnostics import async_get_config_entry_diagnostics
from custom_components.home_llm.examples import read_examples
from custom_components.home_llm.local_command import find_command
from tests.integration.chat_server import ChatServer, answer, call
from tests.integration.conftest import make_entry
from tests.integration.conversing import KITCHEN, say, speech
from tests.integration.programs import write_server

pytestmark = pytest.mark.usefixtures("house")

BY_US = "integration 'home_llm'"


@pytest.fixture(name="blocked")
def blocked_fixture(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    server: ChatServer,
    disable_block_async_io: None,
) -> Callable[[], list[str]]:
    """Watch over the event loop as a running Home Assistant does; return what tells our blocking calls."""
    # In tests Home Assistant leaves most calls out.
    monkeypatch.setattr(block_async_io, "_IN_TESTS", False)
    monkeypatch.setattr(loop_util, "_PREVIOUSLY_REPORTED", set())
    block_async_io.enable()
    return lambda: [record.getMessage() for record in caplog.records if BY_US in record.getMessage()]


async def test_the_watch_works(hass: HomeAssistant, tmp_path: Path, blocked: Callable[[], list[str]]) -> None:
    """A function of ours that blocks is noticed where it is called in the loop, and not in a thread."""
    path = tmp_path / "examples.csv"
    path.write_bytes(b"type,request,tool,response\nsensor,what is the <name>?,,It is <state>.\n")
    await hass.async_add_executor_job(read_examples, path)
    assert blocked() == []
    read_examples(path)
    assert len(blocked()) == 1


async def test_a_server_and_its_agents(
    hass: HomeAssistant, server: ChatServer, tmp_path: Path, blocked: Callable[[], list[str]]
) -> None:
    """Forms, setup, conversations with the user's own examples, tasks, diagnostics and the end of it do not block."""
    hass.config.config_dir = str(tmp_path)
    own = tmp_path / "home_llm" / "examples_en.csv"
    await hass.async_add_executor_job(_write_examples, own)
    flow = await hass.config_entries.flow.async_init("home_llm", context={"source": SOURCE_USER})
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"], {"next_step_id": "remote"})
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"], {"url": server.url})
    await hass.async_block_till_done()
    entry = flow["result"]
    assert entry.state is ConfigEntryState.LOADED
    server.script([answer(call("light.turn_on", KITCHEN), "It is on.")])
    agent = next(state.entity_id for state in hass.states.async_all("conversation") if "llm" in state.entity_id)
    assert speech(await say(hass, agent_id=agent)) == "It is on."
    assert "what about <name>" not in str(server.requests[0])
    assert "what about " in str(server.requests[0]["messages"])
    server.script([answer("A poem.")])
    task = next(state.entity_id for state in hass.states.async_all("ai_task"))
    kwargs = {"task_name": "poem", "entity_id": task, "instructions": "Write a poem."}
    assert (await ai_task.async_generate_data(hass, context=Context(), **kwargs)).data == "A poem."
    await async_get_config_entry_diagnostics(hass, entry)
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert blocked() == []


async def test_the_preview(hass: HomeAssistant, server: ChatServer, blocked: Callable[[], list[str]]) -> None:
    """Neither does the form that tries a template and shows the prompt."""
    entry = make_entry(server)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    flows = hass.config_entries.subentries
    flow = await entry.start_subentry_reconfigure_flow(hass, next(iter(entry.subentries)))
    flow = await flows.async_configure(flow["flow_id"], {"name": "Al", "tool_mode": "home"})
    given = {"persona": "al", "prompt": "{{ persona }} {{ formatted_devices }}", "show_prompt": True}
    schema = flow["data_schema"]
    assert schema is not None
    flow = await flows.async_configure(flow["flow_id"], schema({**given, "advanced": {}}))
    assert flow["step_id"] == "preview"
    assert blocked() == []


async def test_a_server_of_our_own(
    hass: HomeAssistant, tmp_path: Path, blocked: Callable[[], list[str]], socket_enabled: None
) -> None:
    """Neither does starting, watching and ending a server on this machine."""
    program = await hass.async_add_executor_job(write_server, tmp_path / "bin")
    model = tmp_path / "model.gguf"
    await hass.async_add_executor_job(model.write_bytes, b"GGUF")
    hass.config.config_dir = str(tmp_path)
    assert await hass.async_add_executor_job(find_command, str(program)) == program
    data = {"backend": "local_file", "file": str(model), "command": str(program)}
    entry = MockConfigEntry(domain="home_llm", title="Here", data=data, subentries_data=[default_task()])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await asyncio.sleep(0.2)
    assert entry.state is ConfigEntryState.LOADED
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert blocked() == []


def _write_examples(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("type,request,tool,response\nsensor,what about <name>?,,It is <state>.\n", encoding="utf-8")
