"""Adding and changing agents."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_USER, SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import llm
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.home_llm import prompt_render
from tests.integration.chat_server import ChatServer
from tests.integration.conftest import make_entry

ADVANCED: dict[str, Any] = {
    "max_tokens": 512.0,
    "temperature": 0.0,
    "thinking": "auto",
    "history_turns": 10.0,
    "tell_time": False,
    "training": "auto",
    "examples": 8.0,
    "tool_format": "minimal",
}
ASSIST: dict[str, Any] = {**ADVANCED, "examples": 0.0, "tool_format": "full"}


def form(persona: str = "al", advanced: dict[str, Any] = ADVANCED, **fields: Any) -> dict[str, Any]:
    """Return what is submitted with the options of an agent."""
    confirm = ["lock", "door", "alarm", "valve"]
    return {"persona": persona, "show_prompt": False, "confirm": confirm, "advanced": advanced, **fields}


async def add(hass: HomeAssistant, entry: MockConfigEntry) -> SubentryFlowResult:
    """Start adding an agent."""
    return await hass.config_entries.subentries.async_init(
        (entry.entry_id, "conversation"), context={"source": SOURCE_USER}
    )


async def fill(hass: HomeAssistant, result: SubentryFlowResult, **user_input: Any) -> SubentryFlowResult:
    """Submit a form."""
    return await hass.config_entries.subentries.async_configure(result["flow_id"], user_input)


def suggested(result: SubentryFlowResult) -> dict[str, Any]:
    """Return what a form is filled with."""
    schema = result["data_schema"]
    assert schema is not None
    return {
        str(key): (key.description or {}).get("suggested_value", key.default() if callable(key.default) else None)
        for key in schema.schema
    }


def advanced(result: SubentryFlowResult) -> dict[str, Any]:
    """Return what the section of a form is filled with."""
    schema = result["data_schema"]
    assert schema is not None
    section = next(value for key, value in schema.schema.items() if key == "advanced")
    return {
        str(key): (key.description or {}).get("suggested_value", key.default() if callable(key.default) else None)
        for key in section.schema.schema
    }


async def test_add_an_agent_with_home_services(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A name, a mode and a model, then the options; what nobody changed is not stored."""
    result = await add(hass, entry)
    assert result["step_id"] == "agent"
    assert suggested(result)["tool_mode"] == "home"
    result = await fill(hass, result, name="Kitchen", tool_mode="home", model="some/other model")
    assert result["step_id"] == "home"
    assert suggested(result)["persona"] == "al"
    assert suggested(result)["prompt"] is None
    assert advanced(result) == {**ADVANCED, "house_tokens": None, "prompt_language": None}
    result = await fill(hass, result, **form())
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    agent = list(entry.subentries.values())[-1]
    assert agent.title == "Kitchen"
    assert agent.data == {"tool_mode": "home", "model": "some/other model"}
    # The update listener has loaded the new agent.
    assert er.async_get(hass).async_get_entity_id("conversation", "home_llm", agent.subentry_id)
    assert hass.states.get("conversation.kitchen") is not None


async def test_all_options(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Everything that is changed is stored as plain values, shown again, and can be given back."""
    changed = {
        "max_tokens": 256.0,
        "temperature": 0.1,
        "thinking": "off",
        "history_turns": 3.0,
        "house_tokens": 2000.0,
        "tell_time": True,
        "training": "tuned",
        "examples": 2.0,
        "prompt_language": "de",
        "tool_format": "full",
    }
    stored = {
        "max_tokens": 256,
        "temperature": 0.1,
        "thinking": False,
        "history_turns": 3,
        "house_tokens": 2000,
        "tell_time": True,
        "training": "tuned",
        "examples": 2,
        "prompt_language": "de",
        "tool_format": "full",
    }
    subentry_id = next(iter(entry.subentries))
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await fill(hass, result, name="Al", tool_mode="home")
    result = await fill(hass, result, **form("robo", changed, prompt="Be brief."))
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.subentries[subentry_id].data == {
        "tool_mode": "home",
        "persona": "robo",
        "prompt": "Be brief.",
        **stored,
    }
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await fill(hass, result, name="Al", tool_mode="home")
    assert suggested(result)["persona"] == "robo"
    assert suggested(result)["prompt"] == "Be brief."
    assert advanced(result) == changed
    await fill(hass, result, **form())
    await hass.async_block_till_done()
    assert entry.subentries[subentry_id].data == {"tool_mode": "home"}


async def test_examples_follow_the_training(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What the form showed for a general model is not kept for a tuned one, unless somebody chose it."""
    subentry_id = next(iter(entry.subentries))
    for examples, expected in ((8.0, {}), (5.0, {"examples": 5})):
        result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
        result = await fill(hass, result, name="Al", tool_mode="home")
        await fill(hass, result, **form(advanced={**ADVANCED, "training": "tuned", "examples": examples}))
        await hass.async_block_till_done()
        assert entry.subentries[subentry_id].data == {"tool_mode": "home", "training": "tuned", **expected}


async def test_add_an_agent_with_assist(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Assist is suggested, and own instructions are stored."""
    result = await fill(hass, await add(hass, entry), name="Big", tool_mode="assist")
    assert result["step_id"] == "assist"
    assert suggested(result)["llm_hass_api"] == ["assist"]
    assert suggested(result)["persona"] == "standard"
    result = await fill(hass, result, **form("standard", ASSIST, prompt="Be brief.", llm_hass_api=["assist"]))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert list(entry.subentries.values())[-1].data == {
        "tool_mode": "assist",
        "llm_hass_api": ["assist"],
        "prompt": "Be brief.",
    }


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize(
    ("template", "key", "words"),
    [
        ("{{ devcies }}", "template_failed", "'devcies' is undefined"),
        ("{{ 1 / 0 }}", "template_failed", "division by zero"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}", "template_slow", ""),
    ],
)
async def test_a_template_that_fails(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    template: str,
    key: str,
    words: str,
) -> None:
    """It is shown in the form with the reason, nothing is stored, and it can be mended there."""
    monkeypatch.setattr(prompt_render, "RENDER_TIMEOUT", 0.3)
    subentry_id = next(iter(entry.subentries))
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await fill(hass, result, name="Al", tool_mode="home")
    result = await fill(hass, result, **form(prompt=template))
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"prompt": key}
    placeholders = result["description_placeholders"]
    assert placeholders is not None
    assert words in placeholders["error"]
    assert suggested(result)["prompt"] == template
    assert entry.subentries[subentry_id].data == {"tool_mode": "home"}
    result = await fill(hass, result, **form(prompt="{{ devices | length }} devices"))
    assert result["reason"] == "reconfigure_successful"


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize(
    ("counts_at", "step"),
    [("/tokenize", "preview"), ("/v1/internal/token-count", "preview"), (None, "preview_estimated")],
)
async def test_the_prompt_is_shown(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, counts_at: str | None, step: str
) -> None:
    """Before saving, the rendered prompt can be read with its tokens, as the server counts or about, and changed."""
    server.counts_at = counts_at
    subentry_id = next(iter(entry.subentries))
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await fill(hass, result, name="Al", tool_mode="home")
    result = await fill(hass, result, **{**form(prompt="I am {{ persona[9:11] }}."), "show_prompt": True})
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, step)
    shown = result["description_placeholders"]
    assert shown is not None
    prompt = shown["prompt"]
    assert prompt.startswith("I am Al.\nServices: light.turn_on, ")
    assert "\nlight.kitchen_light 'Kitchen Light' = off\n" in prompt
    assert "\nuser: turn on the Bedroom Light\nassistant: light.turn_on(light.bedroom_light)\n" in prompt.replace(
        "Kitchen Light", "Bedroom Light"
    ).replace("kitchen_light", "bedroom_light")
    assert (shown["told"], shown["exposed"], shown["context"], shown["note"]) == ("5", "5", "2048", "")
    if counts_at:
        assert server.counted == [prompt]
        assert len(prompt.split()) < int(shown["tokens"]) < len(prompt.split()) + 200
    else:
        assert len(prompt) / 5 < int(shown["tokens"]) < len(prompt)
    assert entry.subentries[subentry_id].data == {"tool_mode": "home"}

    result = await fill(hass, result, next_step_id="change")
    assert result["step_id"] == "home"
    assert suggested(result)["prompt"] == "I am {{ persona[9:11] }}."
    result = await fill(hass, result, **{**form("robo"), "show_prompt": True})
    result = await fill(hass, result, next_step_id="save")
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.subentries[subentry_id].data == {"tool_mode": "home", "persona": "robo"}


@pytest.mark.usefixtures("house")
async def test_the_prompt_of_assist_is_counted_with_its_tools(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """The tools, which the server writes, count; a name cannot leave the fence in which the prompt is shown."""
    er.async_get(hass).async_update_entity("light.kitchen_light", name="```evil")
    result = await fill(hass, await add(hass, entry), name="Big", tool_mode="assist")
    result = await fill(hass, result, **{**form("standard", ASSIST, llm_hass_api=["assist"]), "show_prompt": True})
    assert result["step_id"] == "preview"
    shown = result["description_placeholders"]
    assert shown is not None
    assert "evil" in shown["prompt"]
    assert "```" not in shown["prompt"]
    assert '"name":"HassTurnOn"' in server.counted[0]
    assert (shown["told"], shown["exposed"]) == ("5", "5")
    assert (await fill(hass, result, next_step_id="save"))["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.usefixtures("house")
async def test_a_server_that_goes_away_while_the_prompt_is_shown(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """Without a server the tokens are estimated, and the agent can still be changed."""
    result = await entry.start_subentry_reconfigure_flow(hass, next(iter(entry.subentries)))
    result = await fill(hass, result, name="Al", tool_mode="home")
    await server.stop()
    result = await fill(hass, result, **{**form(), "show_prompt": True})
    assert result["step_id"] == "preview_estimated"


class BrokenAPI(llm.API):
    """An LLM API that cannot be used now."""

    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> llm.APIInstance:
        """Fail."""
        message = "The calendar is away"
        raise HomeAssistantError(message)


async def test_an_api_that_fails(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """Its reason is shown in place of the prompt, and the agent can be saved without seeing it."""
    entry.async_on_unload(llm.async_register_api(hass, BrokenAPI(hass=hass, id="broken", name="Broken")))
    subentry_id = next(iter(entry.subentries))
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await fill(hass, result, name="Al", tool_mode="assist")
    chosen = form("standard", ASSIST, llm_hass_api=["broken"])
    result = await fill(hass, result, **{**chosen, "show_prompt": True})
    assert result["errors"] == {"base": "prompt_unavailable"}
    assert (result["description_placeholders"] or {})["error"] == "The calendar is away"
    assert suggested(result)["llm_hass_api"] == ["broken"]
    result = await fill(hass, result, **chosen)
    assert result["reason"] == "reconfigure_successful"


async def test_home_services_need_our_server(hass: HomeAssistant, server: ChatServer) -> None:
    """On another server the mode is refused in the form, and Assist is suggested."""
    server.owned_by = "user"
    entry = make_entry(server, tool_mode="assist")
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    result = await add(hass, entry)
    assert suggested(result)["tool_mode"] == "assist"
    result = await fill(hass, result, name="Al", tool_mode="home")
    assert result["errors"] == {"tool_mode": "home_mode_unsupported"}
    result = await fill(hass, result, name="Al", tool_mode="assist")
    assert result["step_id"] == "assist"


async def test_reconfigure(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Everything can be changed, emptied fields are taken away, and the agent is reloaded."""
    subentry_id = next(iter(entry.subentries))
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    assert suggested(result)["name"] == "Al"
    result = await fill(hass, result, name="Bo", tool_mode="assist", model="embedded")
    # A mode that is new to the agent comes with its own persona and with control.
    assert suggested(result)["persona"] == "standard"
    assert suggested(result)["llm_hass_api"] == ["assist"]
    short = {**ASSIST, "max_tokens": 100, "temperature": 1}
    result = await fill(hass, result, **form("standard", short, prompt="Hi."))
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    subentry = entry.subentries[subentry_id]
    assert subentry.title == "Bo"
    assert subentry.data == {
        "tool_mode": "assist",
        "model": "embedded",
        "prompt": "Hi.",
        "max_tokens": 100,
        "temperature": 1,
    }

    # An agent that may only talk stays so, and the model can be given back to the server.
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await fill(hass, result, name="Bo", tool_mode="assist")
    assert suggested(result)["llm_hass_api"] == []
    await fill(hass, result, **form("standard", short))
    await hass.async_block_till_done()
    assert entry.subentries[subentry_id].data == {"tool_mode": "assist", "max_tokens": 100, "temperature": 1}

    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await fill(hass, result, name="Bo", tool_mode="home")
    await fill(hass, result, **form())
    await hass.async_block_till_done()
    assert entry.subentries[subentry_id].data == {"tool_mode": "home"}


async def test_an_api_that_is_gone_is_not_suggested(hass: HomeAssistant, server: ChatServer) -> None:
    """An API whose integration was removed does not break the form."""
    entry = make_entry(server, tool_mode="assist", llm_hass_api=["gone", "assist"])
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    result = await entry.start_subentry_reconfigure_flow(hass, next(iter(entry.subentries)))
    result = await fill(hass, result, name="Al", tool_mode="assist")
    assert suggested(result)["llm_hass_api"] == ["assist"]


async def test_no_changes_while_the_server_is_away(hass: HomeAssistant, server: ChatServer) -> None:
    """Without its server an entry has no models to choose from."""
    entry = make_entry(server)
    entry.add_to_hass(hass)
    await server.stop()
    await hass.config_entries.async_setup(entry.entry_id)
    result = await add(hass, entry)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "entry_not_loaded"


async def test_what_to_ask_first(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The usual questions are suggested and not stored; none at all is a choice too."""
    result = await fill(hass, await add(hass, entry), name="Kitchen", tool_mode="home")
    assert suggested(result)["confirm"] == ["lock", "door", "alarm", "valve"]
    await fill(hass, result, **form(confirm=["valve", "alarm", "door", "lock"]))
    await hass.async_block_till_done()
    agent = list(entry.subentries.values())[-1]
    assert "confirm" not in agent.data

    result = await entry.start_subentry_reconfigure_flow(hass, agent.subentry_id)
    result = await fill(hass, result, name="Kitchen", tool_mode="home")
    await fill(hass, result, **form(confirm=[]))
    await hass.async_block_till_done()
    assert entry.subentries[agent.subentry_id].data["confirm"] == []
