"""The real server with the embedded model's base, and a real Home Assistant with a few lights."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from server_process import ServerProcess

if find_spec("pytest_homeassistant_custom_component"):
    from pytest_socket import enable_socket
else:
    from .plain import custom_integrations_fixture, enable_socket, hass_fixture, socket_enabled_fixture

    __all__ = ["custom_integrations_fixture", "hass_fixture", "socket_enabled_fixture"]

LAMPS = ("Kitchen Light", "Bedroom Light", "Hall Light", "Attic Light")
ENTITIES = tuple(f"light.{name.lower().replace(' ', '_')}" for name in LAMPS)


@pytest.fixture(scope="session", name="server")
def server_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serve the embedded model's base as the app does: reachable by others, so with a key."""
    # Home Assistant's test helpers close the network before every test, and this is set up within one.
    enable_socket()
    with ServerProcess(tmp_path_factory.mktemp("data"), "--host", "0.0.0.0", "--context-size", "8192") as server:
        yield server


@pytest.fixture(name="house")
async def house_fixture(socket_enabled: None, hass: HomeAssistant) -> None:
    """Set up a small house, switched off, and expose it: real lights of the template integration."""
    for component in ("homeassistant", "conversation", "intent"):
        assert await async_setup_component(hass, component, {})
    lights = [{"name": name, "unique_id": name, "turn_on": [], "turn_off": []} for name in LAMPS]
    assert await async_setup_component(hass, "template", {"template": [{"light": lights}]})
    await hass.async_block_till_done()
    for entity_id in ENTITIES:
        async_expose_entity(hass, "conversation", entity_id, should_expose=True)
    await hass.services.async_call("light", "turn_off", {"entity_id": list(ENTITIES)}, blocking=True)
