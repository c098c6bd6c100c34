"""Adding and changing servers of other kinds, and all that can be wrong with an address."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.integration.chat_server import ChatServer
from tests.integration.conftest import make_entry
from tests.integration.other_servers import OtherServer, text
from tests.integration.test_config_flow import add_by_hand, discover, discovery

ADVANCED = {
    "backend": "auto",
    "api_type": "chat",
    "prompt_template": "chatml",
    "call_format": "tool_call",
}


@pytest.fixture(name="other")
async def other_fixture(socket_enabled: None, core: None) -> AsyncGenerator[OtherServer]:
    """Run a server that is not ours."""
    async with OtherServer() as server:
        yield server


def models(*names: str) -> list[dict[str, Any]]:
    """Return a list of models as servers give it."""
    return [{"id": name, "object": "model", "owned_by": "user"} for name in names]


async def submit(hass: HomeAssistant, result: ConfigFlowResult, **user_input: Any) -> ConfigFlowResult:
    """Fill in the form that is shown."""
    return await hass.config_entries.flow.async_configure(result["flow_id"], user_input)


async def reconfigure(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    """Start to change an entry."""
    context = {"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    return await hass.config_entries.flow.async_init("home_llm", context=context)


async def test_several_models(hass: HomeAssistant, other: OtherServer) -> None:
    """The user chooses, a name that is not quite right is corrected, and the agent gets the model."""
    other.models = models("qwen2.5:0.5b", "llama3.2:3b")
    other.ollama_version = "0.12.0"
    result = await add_by_hand(hass, url=other.url)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "model"
    result = await submit(hass, result, model="Llama-3.2")
    assert result["errors"] == {"model": "unknown_model_near"}
    assert result["description_placeholders"]["suggestion"] == "llama3.2:3b"
    result = await submit(hass, result, model="gpt")
    assert result["errors"] == {"model": "unknown_model"}
    result = await submit(hass, result, model="llama3.2:3b")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert result["data"] == {"url": other.url}
    assert dict(result["subentries"][0]["data"])["model"] == "llama3.2:3b"


async def test_a_model_that_is_loaded(hass: HomeAssistant, other: OtherServer) -> None:
    """With its admin key text-generation-webui loads the model that was chosen, when the entry is set up."""
    other.become_webui("a.gguf", "b.gguf")
    other.admin_key = "admin"
    result = await add_by_hand(hass, url=other.url, advanced={**ADVANCED, "admin_key": "wrong"})
    assert result["errors"] == {"base": "invalid_admin_key"}
    result = await submit(hass, result, url=other.url, advanced={**ADVANCED, "admin_key": "admin"})
    assert result["step_id"] == "model"
    result = await submit(hass, result, model="b.gguf")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert result["data"] == {"url": other.url, "admin_key": "admin", "model": "b.gguf"}
    assert "model" not in result["subentries"][0]["data"]
    assert other.loads == ["b.gguf"]
    entry = result["result"]
    assert entry.runtime_data.data.default_model == "b.gguf"

    await hass.config_entries.async_reload(entry.entry_id)
    assert other.loads == ["b.gguf"]


async def test_a_server_that_has_forgotten_its_model(hass: HomeAssistant, other: OtherServer) -> None:
    """A restarted text-generation-webui is told again what to load, and another model that it has is left to it."""
    other.become_webui("a.gguf", "b.gguf")
    entry = MockConfigEntry(domain="home_llm", data={"url": other.url, "admin_key": "admin", "model": "b.gguf"})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert other.loads == ["b.gguf"]
    other.loaded = "a.gguf"
    await entry.runtime_data.async_refresh()
    assert entry.runtime_data.data.default_model == "a.gguf"
    assert other.loads == ["b.gguf"]
    other.loaded = None
    await entry.runtime_data.async_refresh()
    assert entry.runtime_data.data.default_model == "b.gguf"
    assert other.loads == ["b.gguf", "b.gguf"]
    other.loaded, other.loadable = None, ["a.gguf"]
    await entry.runtime_data.async_refresh()
    assert not entry.runtime_data.last_update_success


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"admin_key": "other"}, "invalid_admin_key"),
        ({"loadable": ["a.gguf", "B.gguf"]}, "unknown_model_near"),
        ({"loadable": ["a.gguf"]}, "unknown_model_near"),
        ({"loadable": ["x"]}, "unknown_model"),
    ],
)
async def test_a_model_that_cannot_be_loaded(
    hass: HomeAssistant, other: OtherServer, change: dict[str, Any], reason: str
) -> None:
    """Setup is tried again, and says why it failed."""
    other.become_webui("a.gguf", "b.gguf")
    other.admin_key = "admin"
    for name, value in change.items():
        setattr(other, name, value)
    entry = MockConfigEntry(domain="home_llm", data={"url": other.url, "admin_key": "admin", "model": "b.gguf"})
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == reason
    assert not other.loads


async def test_an_admin_key_for_nothing(hass: HomeAssistant, other: OtherServer) -> None:
    """A server without those routes is not given one."""
    result = await add_by_hand(hass, url=other.url, advanced={**ADVANCED, "admin_key": "admin"})
    assert result["errors"] == {"base": "no_model_loading"}


async def test_text_completions(hass: HomeAssistant, other: OtherServer) -> None:
    """The choice is stored, and the agent speaks through the chosen template."""
    advanced = {**ADVANCED, "backend": "openai", "api_type": "text", "prompt_template": "zephyr", "call_format": "json"}
    result = await add_by_hand(hass, url=other.url, advanced=advanced)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert result["data"] == {"url": other.url, **advanced}
    other.script([text("Hel", "lo.")])
    (agent,) = (entity for entity in hass.states.async_entity_ids("conversation") if entity.endswith("home_llm"))
    assert agent == "conversation.home_llm"
    answer = await hass.services.async_call(
        "conversation", "process", {"text": "hi", "agent_id": agent}, blocking=True, return_response=True
    )
    assert answer is not None
    assert "Hello." in str(answer)
    prompt = other.completions[0]["prompt"]
    assert prompt.startswith("<|system|>\n")
    assert prompt.endswith("<|user|>\nhi</s>\n<|assistant|>\n")


async def test_text_completions_of_ollama(hass: HomeAssistant, other: OtherServer) -> None:
    """It would put its own template around ours."""
    other.ollama_version = "0.12.0"
    result = await add_by_hand(hass, url=other.url, advanced={**ADVANCED, "api_type": "text"})
    assert result["errors"] == {"base": "text_not_supported"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"models": "<html>Welcome</html>"}, "invalid_response"),
        ({"models": "<html>Not found</html>", "models_status": 404}, "invalid_response"),
        ({"models": "<html>Bad gateway</html>", "models_status": 502}, "unavailable"),
        ({"models_status": 503}, "unavailable"),
        ({"models_status": 500}, "invalid_response"),
        ({"api_key": "secret"}, "invalid_auth"),
        ({"trouble": "hang"}, "cannot_connect"),
        ({"trouble": "close"}, "cannot_connect"),
        ({"trouble": "redirect"}, "redirected"),
    ],
)
async def test_what_can_be_wrong_with_a_server(
    hass: HomeAssistant, other: OtherServer, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], error: str
) -> None:
    """Each has its message, what was entered stays in the form, and the right server is then taken."""
    monkeypatch.setattr("custom_components.home_llm.client.REQUEST_TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    usual = {name: getattr(other, name) for name in change}
    for name, value in change.items():
        setattr(other, name, value)
    result = await add_by_hand(hass, url=other.url)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": error}
    if error == "redirected":
        assert result["description_placeholders"]["location"] == f"{other.url}/elsewhere"
    for name, value in usual.items():
        setattr(other, name, value)
    result = await submit(hass, result, url=other.url)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_reconfigure(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, other: OtherServer) -> None:
    """A new address and kind are tried, stored and used; the agents stay."""
    result = await reconfigure(hass, entry)
    assert result["step_id"] == "reconfigure_remote"
    result = await submit(hass, result, url="http://127.0.0.1:9")
    assert result["errors"] == {"base": "cannot_connect"}
    assert entry.data["url"] == server.url
    result = await submit(hass, result, url="nonsense")
    assert result["errors"] == {"url": "invalid_url"}
    result = await submit(hass, result, url=other.url, api_key="key", advanced={**ADVANCED, "backend": "openai"})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.data == {"url": other.url, "api_key": "key", "backend": "openai"}
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.client.url == other.url
    assert [agent.title for agent in entry.subentries.values()] == ["Al"]


async def test_reconfigure_to_a_server_that_is_set_up(
    hass: HomeAssistant, entry: MockConfigEntry, other: OtherServer
) -> None:
    """One server is not set up twice; the same address is no change."""
    MockConfigEntry(domain="home_llm", data={"url": other.url}).add_to_hass(hass)
    result = await submit(hass, await reconfigure(hass, entry), url=other.url)
    assert result["reason"] == "already_configured"
    result = await submit(hass, await reconfigure(hass, entry), url=entry.data["url"])
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()


async def test_reconfigure_wakes_an_entry_that_failed(hass: HomeAssistant, other: OtherServer) -> None:
    """The model that is to be loaded is kept, and setup is tried at once."""
    other.become_webui("a.gguf", "b.gguf")
    other.admin_key = "admin"
    entry = MockConfigEntry(domain="home_llm", data={"url": other.url, "admin_key": "old", "model": "b.gguf"})
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    result = await reconfigure(hass, entry)
    result = await submit(hass, result, url=other.url, advanced={**ADVANCED, "admin_key": "admin"})
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert other.loaded == "b.gguf"


async def test_discovery_keeps_what_else_was_set(hass: HomeAssistant, server: ChatServer) -> None:
    """The app's new address and key do not take the admin key away, and an old key goes."""
    entry = make_entry(server)
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(
        entry, data={"url": server.url, "api_key": "old", "admin_key": "admin", "backend": "home_llm"}
    )
    await discover(hass, discovery(server))
    await hass.async_block_till_done()
    assert entry.data == {"url": server.url, "admin_key": "admin", "backend": "home_llm"}


async def test_a_server_that_redirects_later(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """The entry says where it has gone."""
    async with OtherServer() as moved:
        moved.trouble = "redirect"
        entry.runtime_data.client.async_move(moved.url, None)
        await entry.runtime_data.async_refresh()
        assert not entry.runtime_data.last_update_success
        assert "elsewhere" in str(entry.runtime_data.last_exception)


async def test_home_services_over_text_completions(hass: HomeAssistant, house: None, other: OtherServer) -> None:
    """With calls in the home format any server can do home services, which are checked as those of ours are."""
    advanced = {**ADVANCED, "api_type": "text", "call_format": "home"}
    result = await add_by_hand(hass, url=other.url, advanced=advanced)
    await hass.async_block_till_done()
    assert dict(result["subentries"][0]["data"]) == {"tool_mode": "home"}
    other.script(
        [
            text("light.turn_on(light.kitchen_light, brightness=40)\n", "Setting it to 40 percent."),
            text("light.turn_on(light.safe_light)\nTurning it on."),
            text("light.turn_on(light.safe_light)"),
        ]
    )
    request = {"text": "dim the kitchen", "agent_id": "conversation.home_llm"}
    answer = await hass.services.async_call("conversation", "process", request, blocking=True, return_response=True)
    assert "Setting it to 40 percent." in str(answer)
    lamp = hass.states.get("light.kitchen_light")
    assert lamp is not None
    assert lamp.attributes["brightness"] == 102
    prompt = other.completions[0]["prompt"]
    assert prompt.count("Services: ") == 1
    answer = await hass.services.async_call("conversation", "process", request, blocking=True, return_response=True)
    assert "no access" in str(answer)
    safe = hass.states.get("light.safe_light")
    assert safe is not None
    assert safe.state == "off"


async def test_the_model_of_an_agent(hass: HomeAssistant, other: OtherServer) -> None:
    """A name that the server does not have is refused in the agent's form as well, with the nearest one."""
    other.models = models("qwen2.5:0.5b", "llama3.2:3b")
    entry = MockConfigEntry(domain="home_llm", data={"url": other.url})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    flows = hass.config_entries.subentries
    shown = await flows.async_init((entry.entry_id, "conversation"), context={"source": "user"})
    answers = {"name": "Al", "tool_mode": "assist"}
    shown = await flows.async_configure(shown["flow_id"], {**answers, "model": "qwen"})
    assert shown["errors"] == {"model": "unknown_model_near"}
    assert shown["description_placeholders"] == {"model": "qwen", "suggestion": "qwen2.5:0.5b"}
    shown = await flows.async_configure(shown["flow_id"], {**answers, "model": "qwen2.5:0.5b"})
    assert shown["step_id"] == "assist"
