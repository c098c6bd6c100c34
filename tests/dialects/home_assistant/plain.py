"""A Home Assistant for tests, where there are no test helpers for its version yet: its own core, started as it starts.

The fixtures have the names of those of pytest-homeassistant-custom-component, which are used where that is installed.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from homeassistant import loader
from homeassistant.bootstrap import async_load_base_functionality
from homeassistant.config_entries import ConfigEntries
from homeassistant.core import HomeAssistant
from homeassistant.core_config import async_process_ha_core_config


@pytest.fixture(name="hass")
async def hass_fixture(tmp_path: Path) -> AsyncGenerator[HomeAssistant]:
    """Run a Home Assistant with its registries and no integrations; it installs no packages by itself."""
    hass = HomeAssistant(str(tmp_path))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = ConfigEntries(hass, {})
    await loader.async_get_custom_components(hass)
    assert await async_load_base_functionality(hass)
    await async_process_ha_core_config(hass, {})
    await hass.async_start()
    yield hass
    await hass.async_stop(force=True)


@pytest.fixture(name="socket_enabled")
def socket_enabled_fixture() -> None:
    """Leave the network open, as it is without the helpers."""


@pytest.fixture(name="enable_custom_integrations")
def custom_integrations_fixture() -> None:
    """Leave our integration to be found: it is looked for in the repository, whose package is imported already."""


def enable_socket() -> None:
    """Leave the network open, as it is without the helpers."""
