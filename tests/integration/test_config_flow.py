"""Adding a server: by discovery, by hand, and renewing its key."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.config_entries import (
    SOURCE_HASSIO,
    SOURCE_IGNORE,
    SOURCE_USER,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.hassio import HassioServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.integration.chat_server import ChatServer
from tests.integration.conftest import make_entry

TASK = {"max_tokens": 1024, "temperature": 0.0}
UUID = "0123456789abcdef0123456789abcdef"


def discovery(server: ChatServer, uuid: str = UUID, **config: Any) -> HassioServiceInfo:
    """Return what the Supervisor hands over for the app."""
    data = {
        "host": "127.0.0.1",
        "port": server.port,
        "api_key": server.api_key,
        "addon": "Home LLM",
        **config,
    }
    return HassioServiceInfo(config=data, name="Home LLM", slug="abc_home_llm", uuid=uuid)


async def discover(hass: HomeAssistant, info: HassioServiceInfo) -> ConfigFlowResult:
    """Start a flow as Home Assistant does for a discovery message."""
    return await hass.config_entries.flow.async_init("home_llm", context={"source": SOURCE_HASSIO}, data=info)


async def add_by_hand(hass: HomeAssistant, **user_input: Any) -> ConfigFlowResult:
    """Read the warning, choose a server somewhere, and fill in its form."""
    result = await hass.config_entries.flow.async_init("home_llm", context={"source": SOURCE_USER})
    assert result["type"] is FlowResultType.MENU
    assert result["menu_options"] == ["remote", "hugging_face", "local_file"]
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {"next_step_id": "remote"})
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "remote"
    return await hass.config_entries.flow.async_configure(result["flow_id"], user_input)


async def test_discovery(hass: HomeAssistant, server: ChatServer) -> None:
    """One submit creates the entry and an agent with home services, which is then loaded."""
    server.api_key = "secret"
    result = await discover(hass, discovery(server))
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "hassio_confirm"
    assert result["description_placeholders"]["addon"] == "Home LLM"
    flow = hass.config_entries.flow.async_progress()[0]
    assert flow["context"]["title_placeholders"] == {"name": "Home LLM"}
    assert flow["context"]["configuration_url"] == "homeassistant://config/app/abc_home_llm/info"

    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    entry = result["result"]
    assert entry.title == "Home LLM"
    assert entry.unique_id == UUID
    assert entry.source == SOURCE_HASSIO
    assert entry.data == {"url": server.url, "api_key": "secret"}
    assert [(agent.subentry_type, dict(agent.data)) for agent in entry.subentries.values()] == [
        ("conversation", {"tool_mode": "home"}),
        ("ai_task_data", TASK),
    ]
    assert entry.state is ConfigEntryState.LOADED
    assert hass.states.get("conversation.home_llm") is not None
    assert hass.states.get("ai_task.home_llm_ai_task") is not None


async def test_discovery_of_a_server_that_is_down(hass: HomeAssistant, server: ChatServer) -> None:
    """The confirmation shows what is wrong and can be tried again."""
    await server.stop()
    result = await discover(hass, discovery(server))
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": "cannot_connect"}

    await server.start()
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_discovery_again_updates_host_port_and_key(hass: HomeAssistant, server: ChatServer) -> None:
    """A new announcement of the same app moves the entry, and the loaded entry uses the new place at once."""
    result = await discover(hass, discovery(server))
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    await hass.async_block_till_done()
    entry = result["result"]

    async with ChatServer() as other:
        other.api_key = "new"
        result = await discover(hass, discovery(other))
        assert result["type"] is FlowResultType.ABORT
        assert result["reason"] == "already_configured"
        await hass.async_block_till_done()
        assert entry.data == {"url": other.url, "api_key": "new"}
        assert entry.state is ConfigEntryState.LOADED
        assert entry.runtime_data.client.url == other.url
        assert len(entry.subentries) == 2


async def test_discovery_with_a_new_key_wakes_an_entry_that_failed(hass: HomeAssistant, server: ChatServer) -> None:
    """An entry whose key was refused at start is set up again when the app announces its new key."""
    server.api_key = "old"
    entry = make_entry(server)
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, unique_id=UUID)
    server.api_key = "new"
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state.value == "setup_error"

    result = await discover(hass, discovery(server))
    assert result["reason"] == "already_configured"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_discovery_wakes_an_entry_that_waits(hass: HomeAssistant, server: ChatServer) -> None:
    """An entry that is being retried is set up as soon as the app is back, also with unchanged data."""
    entry = make_entry(server)
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, unique_id=UUID)
    await server.stop()
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state.value == "setup_retry"

    await server.start()
    await discover(hass, discovery(server, api_key=None))
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_discovery_adopts_a_manual_entry(hass: HomeAssistant, server: ChatServer) -> None:
    """A server that was added by hand is taken over with its agents, and gets the key."""
    entry = make_entry(server)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    server.api_key = "secret"

    result = await discover(hass, discovery(server))
    assert result["reason"] == "already_configured"
    await hass.async_block_till_done()
    assert entry.unique_id == UUID
    assert entry.data["api_key"] == "secret"
    assert entry.state is ConfigEntryState.LOADED
    assert len(hass.config_entries.async_entries("home_llm")) == 1


async def test_discovery_that_is_ignored(hass: HomeAssistant, server: ChatServer) -> None:
    """An app that the user does not want is not offered again."""
    MockConfigEntry(domain="home_llm", unique_id=UUID, source=SOURCE_IGNORE).add_to_hass(hass)
    result = await discover(hass, discovery(server))
    assert result["reason"] == "already_configured"


async def test_manual(hass: HomeAssistant, server: ChatServer) -> None:
    """An address and a key make an entry with an agent."""
    server.api_key = "secret"
    result = await add_by_hand(hass, url=f"{server.url}/v1/", api_key=" secret ")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert result["title"] == "Home LLM"
    assert result["data"] == {"url": server.url, "api_key": "secret"}
    assert result["result"].unique_id is None
    assert [dict(agent["data"]) for agent in result["subentries"]] == [{"tool_mode": "home"}, TASK]


async def test_manual_with_another_server(hass: HomeAssistant, server: ChatServer) -> None:
    """A server that does not know home services gets an agent with Assist."""
    server.owned_by = "user"
    result = await add_by_hand(hass, url=server.url)
    await hass.async_block_till_done()
    assert result["title"] == "Home LLM (127.0.0.1)"
    assert [dict(agent["data"]) for agent in result["subentries"]] == [
        {"tool_mode": "assist", "llm_hass_api": ["assist"]},
        TASK,
    ]


@pytest.mark.parametrize(
    ("url", "errors"),
    [
        ("nonsense", {"url": "invalid_url"}),
        ("ftp://host", {"url": "invalid_url"}),
        ("http://127.0.0.1:9", {"base": "cannot_connect"}),
    ],
)
async def test_manual_with_a_wrong_address(
    hass: HomeAssistant, server: ChatServer, url: str, errors: dict[str, str]
) -> None:
    """What is wrong is shown, and the form can be corrected."""
    result = await add_by_hand(hass, url=url)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == errors
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {"url": server.url})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_manual_with_a_wrong_key(hass: HomeAssistant, server: ChatServer) -> None:
    """A refused key, an unready server and one of another kind each have their own message."""
    server.api_key = "secret"
    result = await add_by_hand(hass, url=server.url, api_key="wrong")
    assert result["errors"] == {"base": "invalid_auth"}

    server.api_key = None
    server.models_status = 503
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {"url": server.url})
    assert result["errors"] == {"base": "unavailable"}

    server.models_status = 200
    server.models = "<html></html>"
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {"url": server.url})
    assert result["errors"] == {"base": "invalid_response"}


async def test_manual_twice(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """The same host and port are not set up twice, however they are written."""
    result = await add_by_hand(hass, url=f"{server.url}/v1")
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_reauth(hass: HomeAssistant, server: ChatServer) -> None:
    """A refused key asks for a new one, wrong ones are shown, and the right one loads the entry."""
    server.api_key = "old"
    entry = make_entry(server)
    entry.add_to_hass(hass)
    server.api_key = "new"
    await hass.config_entries.async_setup(entry.entry_id)
    flow = hass.config_entries.flow.async_progress()[0]
    assert flow["step_id"] == "reauth_confirm"

    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {"api_key": "wrong"})
    assert result["errors"] == {"base": "invalid_auth"}
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {"api_key": "new"})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    assert entry.data == {"url": server.url, "api_key": "new"}
    assert entry.state is ConfigEntryState.LOADED


async def test_reauth_of_a_loaded_entry_with_the_same_key(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """Polling, which stops when a key is refused, goes on although nothing changed."""
    server.api_key = "other"
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    flow = hass.config_entries.flow.async_progress()[0]
    server.api_key = None
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.last_update_success
