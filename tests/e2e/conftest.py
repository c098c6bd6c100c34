"""The real server with the embedded model, for a real Home Assistant."""

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_socket
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

import custom_components  # noqa: F401  before the hass fixture puts its own folder of that name first

COMMAND = Path(__file__).parents[2] / ".venv" / "bin" / "home-llm"
START_SECONDS = 60

# Real entities of Home Assistant's template integration, which remember what they were told.
HOUSE = {
    "template": [
        {
            "light": [
                {"name": name, "unique_id": name, "turn_on": [], "turn_off": []}
                for name in ("Kitchen Light", "Bedroom Light", "Hall Light", "Secret Light")
            ]
        },
        {"switch": [{"name": "Coffee Maker", "unique_id": "coffee", "turn_on": [], "turn_off": []}]},
        {"lock": [{"name": "Front Door", "unique_id": "door", "lock": [], "unlock": [], "optimistic": True}]},
    ]
}
ENTITIES = ("light.kitchen_light", "light.bedroom_light", "light.hall_light", "switch.coffee_maker", "lock.front_door")
SECRET = "light.secret_light"


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    data_dir: Path

    @property
    def api_key(self) -> str:
        """The key that it made for itself."""
        return (self.data_dir / "api_key").read_text().strip()

    def discover(self, supervisor_url: str, token: str) -> subprocess.CompletedProcess[str]:
        """Announce the server, as the app's discovery service does."""
        environment = {**os.environ, "SUPERVISOR_TOKEN": token, "SUPERVISOR_URL": supervisor_url}
        command = [COMMAND, "discover", "--port", str(self.port), "--data-dir", self.data_dir]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="session", name="server")
def server_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the embedded model as the app does: reachable by others, so with a key."""
    with serve(tmp_path_factory.mktemp("data"), context_size=2048) as server:
        yield server


@contextmanager
def serve(data_dir: Path, **settings: object) -> Generator[Server]:
    """Serve a model, the embedded one unless the settings name another."""
    # Home Assistant's test helpers close the network before every test, and this is set up within one.
    pytest_socket.enable_socket()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [COMMAND, "serve", "--host", "0.0.0.0", "--port", str(port), "--data-dir", data_dir]
    for name, value in settings.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + START_SECONDS
        while _status(port) != "ok":
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        yield Server(port, data_dir)
    finally:
        process.terminate()
        assert process.wait(timeout=15) == 0


@pytest.fixture(name="core")
async def core_fixture(enable_custom_integrations: None, socket_enabled: None, hass: HomeAssistant) -> None:
    """Set up what every conversation agent needs."""
    for component in ("homeassistant", "conversation", "intent"):
        assert await async_setup_component(hass, component, {})


@pytest.fixture(name="house")
async def house_fixture(core: None, hass: HomeAssistant) -> None:
    """Set up a small house and expose it."""
    for domain, config in HOUSE.items():
        assert await async_setup_component(hass, domain, {domain: config})
    await hass.async_block_till_done()
    for entity_id in ENTITIES:
        assert hass.states.get(entity_id) is not None, hass.states.async_entity_ids()
        async_expose_entity(hass, "conversation", entity_id, should_expose=True)
    async_expose_entity(hass, "conversation", SECRET, should_expose=False)
    for domain, service in (("light", "turn_off"), ("switch", "turn_off"), ("lock", "lock")):
        targets = [entity_id for entity_id in ENTITIES if entity_id.startswith(f"{domain}.")]
        await hass.services.async_call(domain, service, {"entity_id": targets}, blocking=True)


def _status(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            status: str = json.load(response)["status"]
            return status
    except OSError:
        return "not listening"
