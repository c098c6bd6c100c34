"""Repair issues, and the flows that fix them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.components.repairs.models import RepairsFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm.const import GONE_AFTER
from tests.integration.chat_server import ChatServer, answer, error
from tests.integration.conftest import make_entry
from tests.integration.conversing import say


@pytest.fixture(name="repairs", autouse=True)
async def repairs_fixture(hass: HomeAssistant, core: None) -> None:
    """Set up the integration that runs the flows."""
    assert await async_setup_component(hass, "repairs", {})


async def set_up(hass: HomeAssistant, server: ChatServer, **agent: object) -> MockConfigEntry:
    """Set up a server with an agent."""
    entry = make_entry(server, **agent)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    return entry


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """Return our issues by kind."""
    found = [issue for (domain, _), issue in ir.async_get(hass).issues.items() if domain == "home_llm"]
    return {str(issue.translation_key): issue for issue in found}


async def start(hass: HomeAssistant, kind: str) -> RepairsFlowResult:
    """Start to repair an issue, and return its first form."""
    manager = repairs_flow_manager(hass)
    assert manager is not None
    issue = issues(hass)[kind]
    assert issue.is_fixable
    return await manager.async_init("home_llm", context={"issue_id": issue.issue_id})


async def submit(hass: HomeAssistant, result: RepairsFlowResult, **user_input: Any) -> RepairsFlowResult:
    """Fill in a form of a repair."""
    manager = repairs_flow_manager(hass)
    assert manager is not None
    result = await manager.async_configure(result["flow_id"], user_input)
    await hass.async_block_till_done(wait_background_tasks=True)
    return result


async def test_server_gone(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, freezer: FrozenDateTimeFactory
) -> None:
    """A server that is away for a moment is no problem, one that is away for long is, until it is back."""
    coordinator = entry.runtime_data
    await server.stop()
    await coordinator.async_refresh()
    freezer.tick(GONE_AFTER - timedelta(minutes=1))
    await coordinator.async_refresh()
    assert issues(hass) == {}
    freezer.tick(timedelta(minutes=1))
    await coordinator.async_refresh()
    placeholders = issues(hass)["server_gone"].translation_placeholders
    assert placeholders is not None
    assert placeholders["server"] == "Home LLM"

    form = await start(hass, "server_gone")
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "retry")
    assert form["description_placeholders"] == placeholders
    form = await submit(hass, form)
    assert form["errors"] == {"base": "cannot_connect"}
    await server.start()
    assert (await submit(hass, form))["type"] is FlowResultType.CREATE_ENTRY
    assert issues(hass) == {}


async def test_server_gone_counts_anew(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, freezer: FrozenDateTimeFactory
) -> None:
    """An answer in between starts the time again, and a server that is back takes its issue back by itself."""
    for _ in range(2):
        await server.stop()
        await entry.runtime_data.async_refresh()
        freezer.tick(GONE_AFTER)
        await server.start()
        await entry.runtime_data.async_refresh()
        assert issues(hass) == {}
    await server.stop()
    for _ in range(2):
        await entry.runtime_data.async_refresh()
        freezer.tick(GONE_AFTER)
    assert "server_gone" in issues(hass)
    await server.start()
    await entry.runtime_data.async_refresh()
    assert issues(hass) == {}


async def test_model_missing(hass: HomeAssistant, server: ChatServer) -> None:
    """An agent whose model is gone gets another one of the server's."""
    server.owned_by = "user"
    server.models = [{"id": "one"}, {"id": "two"}]
    entry = await set_up(hass, server, tool_mode="assist", model="three")
    assert issues(hass)["model_missing"].translation_placeholders == {
        "server": "Home LLM",
        "agent": "Al",
        "model": "three",
    }
    form = await start(hass, "model_missing")
    assert form["step_id"] == "model"
    schema = form["data_schema"]
    assert schema is not None
    assert next(iter(schema.schema.values())).config["options"] == ["one", "two"]
    assert (await submit(hass, form, model="two"))["type"] is FlowResultType.CREATE_ENTRY
    (agent,) = entry.subentries.values()
    assert agent.data["model"] == "two"
    assert issues(hass) == {}


async def test_model_missing_and_none_chosen(hass: HomeAssistant, server: ChatServer) -> None:
    """An empty choice is the model that the server has loaded; a model that comes back is no problem any more."""
    server.owned_by = "user"
    entry = await set_up(hass, server, tool_mode="assist", model="three")
    server.models = [{"id": "three"}]
    await entry.runtime_data.async_refresh()
    assert issues(hass) == {}
    server.models = [{"id": "one"}]
    await entry.runtime_data.async_refresh()
    await submit(hass, await start(hass, "model_missing"))
    (agent,) = entry.subentries.values()
    assert "model" not in agent.data
    assert issues(hass) == {}


async def test_a_home_llm_server_has_every_model(hass: HomeAssistant, server: ChatServer) -> None:
    """It answers with the model that it has, whatever is named."""
    await set_up(hass, server, model="whatever")
    assert issues(hass) == {}


async def test_model_failed(hass: HomeAssistant, server: ChatServer) -> None:
    """What our server says about a model that it cannot load is passed on, until it can."""
    assert server.health is not None
    server.health |= {"status": "error", "message": "Not enough memory."}
    entry = await set_up(hass, server)
    issue = issues(hass)["model_failed"]
    assert not issue.is_fixable
    assert issue.translation_placeholders == {"server": "Home LLM", "message": "Not enough memory."}
    server.health["status"] = "ok"
    await entry.runtime_data.async_refresh()
    assert issues(hass) == {}


async def test_context_too_small(hass: HomeAssistant, house: None, server: ChatServer) -> None:
    """A prompt that the server refuses for its length is a problem until one fits."""
    server.owned_by = "user"
    await set_up(hass, server, tool_mode="assist")
    server.script([error(400, "request (9000 tokens) exceeds the available context size (8192 tokens)"), answer("Hi.")])
    await say(hass, "hello")
    placeholders = issues(hass)["context_too_small"].translation_placeholders
    assert placeholders is not None
    assert "9000 tokens" in placeholders["message"]
    await say(hass, "hello")
    assert issues(hass) == {}


async def test_context_too_small_for_what_is_warmed(hass: HomeAssistant, house: None, server: ChatServer) -> None:
    """Warming finds it out before anybody speaks."""
    message = "The prompt has 9000 tokens and the context holds 8192."
    server.warm_answer = {"error": {"message": message, "type": "exceed_context_size_error"}}
    server.warm_status = 400
    await set_up(hass, server)
    assert "context_too_small" in issues(hass)


async def test_too_many_entities(hass: HomeAssistant, house: None, server: ChatServer) -> None:
    """A prompt that fills most of the context is told with its numbers, and taken back when it is shorter."""
    server.warm_answer = {"usage": {"prompt_tokens": 1600}}
    entry = await set_up(hass, server)
    issue = issues(hass)["house_too_big"]
    assert issue.severity is ir.IssueSeverity.WARNING
    assert issue.translation_placeholders == {
        "server": "Home LLM",
        "agent": "Al",
        "kept": "5",
        "total": "5",
        "tokens": "1600",
        "context": "2048",
    }
    (subentry_id,) = entry.subentries
    server.warm_answer = {"object": "warm"}
    await entry.runtime_data.warmth.async_warm(subentry_id)
    assert "house_too_big" in issues(hass)
    server.warm_answer = {"usage": {"prompt_tokens": 1500}}
    await entry.runtime_data.warmth.async_warm(subentry_id)
    assert issues(hass) == {}


async def test_tools_lost(hass: HomeAssistant, house: None, server: ChatServer) -> None:
    """A server that refuses tools is a problem of the agent, which can go on talking."""
    server.owned_by = "user"
    entry = await set_up(hass, server, tool_mode="assist", llm_hass_api=["assist"])
    server.script([error(400, "embedded does not support tools"), answer("Hi.")])
    await say(hass, "hello")
    form = await start(hass, "tools_lost")
    assert form["step_id"] == "confirm"
    assert (await submit(hass, form))["type"] is FlowResultType.CREATE_ENTRY
    (agent,) = entry.subentries.values()
    assert "llm_hass_api" not in agent.data
    await say(hass, "hello")
    assert "tools" not in server.requests[-1]
    assert issues(hass) == {}


async def test_other_failures_are_no_problems(hass: HomeAssistant, house: None, server: ChatServer) -> None:
    """An error that says nothing of the kind, or one of an agent without tools, is only spoken."""
    server.owned_by = "user"
    await set_up(hass, server, tool_mode="assist")
    server.script([error(500, "oops"), error(503, "context size"), error(400, "does not support tools")])
    for _ in range(3):
        await say(hass, "hello")
    assert issues(hass) == {}


async def test_home_mode(hass: HomeAssistant, server: ChatServer) -> None:
    """An agent with home services on another server is set to Assist."""
    server.owned_by = "user"
    entry = await set_up(hass, server)
    form = await start(hass, "home_mode_unsupported")
    assert form["step_id"] == "confirm"
    await submit(hass, form)
    (agent,) = entry.subentries.values()
    assert agent.data == {"tool_mode": "assist", "llm_hass_api": ["assist"]}
    assert issues(hass) == {}


@pytest.mark.parametrize("kind", ["home_mode_unsupported", "model_missing", "server_gone"])
async def test_repairing_what_is_gone(hass: HomeAssistant, server: ChatServer, kind: str) -> None:
    """A server that was unloaded while the form was open ends the flow without a change."""
    server.owned_by = "user"
    server.models = [{"id": "one"}]
    entry = await set_up(hass, server, tool_mode="home", model="two")
    entry.runtime_data.problems.report("server_gone", message="x")
    form = await start(hass, kind)
    await hass.config_entries.async_unload(entry.entry_id)
    result = await submit(hass, form)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "agent_gone")


async def test_choosing_a_model_of_a_server_that_is_gone(hass: HomeAssistant, server: ChatServer) -> None:
    """Without the server there is nothing to choose from."""
    entry = await set_up(hass, server)
    problems = entry.runtime_data.problems
    await hass.config_entries.async_unload(entry.entry_id)
    (agent,) = entry.subentries.values()
    problems.report("model_missing", agent, model="x")
    result = await start(hass, "model_missing")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "agent_gone")
